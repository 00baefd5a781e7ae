"""Filling a DataTable so that it is right at first sight: known widths, the cursor where it was."""

from collections.abc import Sequence

from rich.text import Text
from textual.widgets import DataTable

from qdrant_admin.tui import look

Row = tuple[str, Sequence[Text]]
"""A key and its cells."""


def fill(table: DataTable[object], titles: Sequence[tuple[str, bool]], rows: Sequence[Row], *, width: int = 0) -> None:
    """Draw these rows anew; the cursor stays on its line.

    Widths are set here: left to itself the table measures later, and shows the first picture cut.

    Args:
        table: where to.
        titles: of the columns, each with whether it holds figures.
        rows: a key and the cells of each.
        width: the table's width in cells, to which the last column is cut; 0 leaves it as wide as it is.
    """
    cursor = table.cursor_row
    table.clear(columns=True)
    widths = [
        max([len(title), *(cells[index].cell_len for _, cells in rows)]) for index, (title, _) in enumerate(titles)
    ]
    if width:
        taken = sum(widths[:-1]) + 2 * table.cell_padding * len(widths)
        widths[-1] = max(8, min(widths[-1], width - taken))
    for (title, right), column in zip(titles, widths, strict=True):
        table.add_column(look.cell(title, right=right), key=title, width=column)
    for key, cells in rows:
        table.add_row(*cells, key=key)
    if rows:
        table.move_cursor(row=min(cursor, len(rows) - 1))
