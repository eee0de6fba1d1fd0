"""The report's page as plain text, in the width that there is."""

from __future__ import annotations

import shutil
from functools import partial
from textwrap import wrap
from typing import TYPE_CHECKING

from .report_page import Bar, Left, Paragraph, Title

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from .report_page import Part, Table

# Names and URLs stay whole.
_wrap = partial(wrap, break_on_hyphens=False, placeholder=" ...")
_WIDTH = 80
# Longer lines are hard to read, shorter ones have no room for a table.
_WIDTHS = range(60, 161)


def page_width(*, is_terminal: bool) -> int:
    """The width of the terminal, or 80, within what can be read."""
    if not is_terminal:
        return _WIDTH
    columns = shutil.get_terminal_size((_WIDTH, 24)).columns
    return min(max(columns, _WIDTHS.start), _WIDTHS.stop - 1)


def page_lines(parts: Iterable[Part], width: int) -> Iterator[str]:
    """The page, line by line."""
    for part in parts:
        if isinstance(part, Title):
            yield from ("", part.text)
        elif isinstance(part, Left):
            yield f"{'':{part.indent}}{part.amount:11,}  {part.words}"
        elif isinstance(part, Paragraph):
            yield from _wrapped(part.text, part.lead, width, part.most_lines)
        else:
            yield from _table(part, width)


def _table(table: Table, width: int) -> Iterator[str]:
    if any(column.head for column in table.columns):
        yield from _row(table, tuple(column.head for column in table.columns), width)
    for row in table.rows:
        yield from _row(table, row.cells, width)
        yield from page_lines(row.details, width)


def _row(table: Table, cells: tuple[str | Bar, ...], width: int) -> Iterator[str]:
    line = ""
    for column, cell in zip(table.columns, cells, strict=False):
        line += " " * column.gap
        if isinstance(cell, Bar):
            line += "#" * cell.length
        elif column.width:
            line += f"{cell:{'>' if column.is_number else '<'}{column.width}}"
        else:
            yield from _wrapped(cell, line, width, column.most_lines)
            return
    yield line.rstrip()


def _wrapped(text: str, lead: str, width: int, most_lines: int | None) -> list[str]:
    return _wrap(
        text,
        width,
        initial_indent=lead,
        subsequent_indent=" " * len(lead),
        max_lines=most_lines,
    )
