"""The report's page for a terminal, by `rich`: with colours, and with bars of solid blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.bar import Bar as SolidBar
from rich.console import Console
from rich.padding import Padding
from rich.table import Table as Grid
from rich.text import Text

from .report_page import Bar, Column, Left, Paragraph, Row, Table, Title

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import TextIO

    from rich.console import RenderableType

    from .report_page import Part

# Of the heads of columns, and of rows that begin so.
_STYLES = {
    "delivered": "green",
    "deferred": "yellow",
    "bounced": "red",
    "rejected": "red",
    "not understood": "magenta",
}


def print_page(parts: Iterable[Part], width: int, out: TextIO) -> None:
    """Print the page, `width` letters wide."""
    console = Console(file=out, width=width, highlight=False)
    for part in parts:
        _print(part, console)


# All texts are `Text`, which takes nothing in them for markup.
def _print(part: Part, console: Console) -> None:
    if isinstance(part, Title):
        console.print()
        console.print(Text(part.text, "bold"))
    elif isinstance(part, Left):
        console.print(Text(f"{'':{part.indent}}{part.amount:11,}  {part.words}", "dim"))
    elif isinstance(part, Paragraph):
        words = Column(gap=0, most_lines=part.most_lines)
        if part.lead:
            lead = Column(len(part.lead), gap=0)
            _print_table(Table((lead, words), [Row((part.lead, part.text))]), console, "dim")
        else:
            _print_table(Table((words,), [Row((part.text,))]), console)
    elif any(row.details for row in part.rows):
        for row in part.rows:
            _print_table(Table(part.columns, [Row(row.cells)]), console, "bold")
            for detail in row.details:
                _print(detail, console)
    else:
        _print_table(part, console)


def _print_table(table: Table, console: Console, style: str = "") -> None:
    """Print a table; style: of the first cell of each row, if that has none of its own."""
    has_head = any(column.head for column in table.columns)
    grid = Grid(
        box=box.SIMPLE_HEAD if has_head else None,
        show_header=has_head,
        show_edge=False,
        padding=0,
        header_style="",
    )
    room = console.width - sum(column.gap + column.width for column in table.columns)
    # The box has a space of its own between columns.
    gaps = [column.gap - (has_head and at > 0) for at, column in enumerate(table.columns)]
    for column, gap in zip(table.columns, gaps, strict=True):
        grid.add_column(
            Padding(Text(column.head, _STYLES.get(column.head, "")), (0, 0, 0, gap)),
            justify="right" if column.is_number else "left",
            width=gap + (column.width or room),
        )
    for row in table.rows:
        of_kind = "" if "0" in row.cells[1:2] else _STYLES.get(str(row.cells[0]), "")
        cells: list[RenderableType] = [
            Padding(
                _bar(cell, of_kind or "cyan", console)
                if isinstance(cell, Bar)
                else _text(
                    cell, of_kind or style if at == 0 else "", room * (column.most_lines or 0)
                ),
                (0, 0, 0, gap),
            )
            for at, (cell, column, gap) in enumerate(
                zip(row.cells, table.columns, gaps, strict=False)
            )
        ]
        grid.add_row(*cells)
    console.print(grid)


def _text(words: str, style: str, longest: int) -> Text:
    if longest and len(words) > longest:
        words = f"{words[: longest - 4]} ..."
    return Text(words, style, overflow="fold")


def _bar(bar: Bar, style: str, console: Console) -> RenderableType:
    if console.options.ascii_only or not bar.length:
        return Text("#" * bar.length, style)
    # Of what there is any, it has a sign: blocks come in eighths.
    part = max(bar.part, bar.whole / bar.longest / 8)
    return SolidBar(bar.whole, 0, part, width=bar.longest, color=style)
