"use strict";
// Plain ASCII; the page allows this very text by its hash, and it writes no HTML.
(() => {
  const FIRST_ROWS = 12;
  const root = document.documentElement;
  root.classList.add("js");

  const theme = document.getElementById("theme");
  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () =>
    root.dataset.theme ? root.dataset.theme === "dark" : prefersDark.matches;
  const showTheme = () => {
    theme.textContent = isDark() ? "Light colours" : "Dark colours";
  };
  theme.hidden = false;
  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    showTheme();
  });
  prefersDark.addEventListener("change", showTheme);
  showTheme();

  for (const block of document.querySelectorAll(".table")) {
    const table = block.querySelector("table");
    const body = table.tBodies[0];
    let rows = [...body.rows];
    let limit = FIRST_ROWS;
    const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));
    const tools = block.querySelector(".tools");
    const search = tools.querySelector("input");
    const reason = tools.querySelector("select");
    const count = tools.querySelector("output");
    const more = document.createElement("button");
    more.className = "more";
    more.type = "button";
    block.append(more);
    block.removeAttribute("tabindex"); // nothing is left to scroll
    // What a link from the reasons has chosen, one must be able to undo.
    tools.hidden = !reason && rows.length <= FIRST_ROWS;

    const update = () => {
      const words = search.value.toLowerCase().split(/\s+/);
      const matching = rows.filter(
        (row) =>
          words.every((word) => texts.get(row).includes(word)) &&
          (!reason || !reason.value || row.dataset.reason === reason.value),
      );
      for (const row of rows) row.hidden = true;
      for (const row of matching.slice(0, limit)) row.hidden = false;
      more.hidden = matching.length <= limit;
      more.textContent = "Show all " + matching.length.toLocaleString("en");
      count.textContent = matching.length.toLocaleString("en") + " of " + rows.length.toLocaleString("en") + " rows";
    };
    more.addEventListener("click", () => {
      limit = Infinity;
      const next = rows.find((row) => row.hidden);
      update();
      // The button is gone, and the keyboard must go on from somewhere.
      next.tabIndex = -1;
      next.focus({ preventScroll: true });
    });
    search.addEventListener("input", update);
    if (reason) reason.addEventListener("change", update);

    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, at) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const cells = new Map(rows.map((row) => [row, row.cells[at]]));
        const isNumber = head.classList.contains("n");
        const before = head.getAttribute("aria-sort");
        // Numbers begin with the greatest.
        const isDown = before ? before === "ascending" : isNumber;
        const compare = isNumber
          ? (a, b) => cells.get(a).dataset.n - cells.get(b).dataset.n
          : (a, b) => cells.get(a).textContent.localeCompare(cells.get(b).textContent, "en", { numeric: true });
        rows = rows.toSorted((a, b) => (isDown ? compare(b, a) : compare(a, b)));
        body.append(...rows);
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", isDown ? "descending" : "ascending");
        update();
      });
    });
    update();
  }

  for (const link of document.querySelectorAll("a[data-reason]")) {
    link.addEventListener("click", () => {
      const reason = document.querySelector(link.hash + " select");
      if (!reason) return;
      reason.value = link.dataset.reason;
      reason.dispatchEvent(new Event("change"));
    });
  }
})();
