"""Tables that are right at first sight, and a payload as a tree."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from rich.text import Text
from textual.widgets import DataTable, Tree
from textual.widgets.tree import TreeNode

from qdrant_admin.collections.reports import ShownPoint, ShownVector
from qdrant_admin.core import formatting
from qdrant_admin.core.blocks import brief
from qdrant_admin.tui import look

T = TypeVar("T")


def at_cursor(table: DataTable[object], items: Sequence[T]) -> T | None:
    return items[table.cursor_row] if 0 <= table.cursor_row < len(items) else None


def fill(table: DataTable[object], titles: Sequence[str], rows: Sequence[Sequence[Text]], *, room: int = 0) -> None:
    """Draw these rows, cut to `room` cells if it is given; the cursor stays on its line.

    Widths are set here: left to itself the table measures later, and shows the first picture cut.
    """
    cursor = table.cursor_row
    table.clear(columns=True)
    columns = [[cells[index] for cells in rows] for index in range(len(titles))]
    longest = [max([0, *(cell.cell_len for cell in column)]) for column in columns]
    widths = [max(len(title), width) for title, width in zip(titles, longest, strict=True)]
    if room:
        taken = sum(widths[:-1]) + 2 * table.cell_padding * len(widths)
        widths[-1] = max(8, min(widths[-1], room - taken))
    for title, column, width in zip(titles, columns, widths, strict=True):
        right = any(cell.justify == "right" for cell in column)
        table.add_column(look.cell(title, right=right), key=title, width=width)
    for cells in rows:
        table.add_row(*cells)
    if rows:
        table.move_cursor(row=min(cursor, len(rows) - 1))


LEVELS_OPEN = 2
CHILDREN_SHOWN = 200
"""A node with ten thousand keys would freeze the screen; the rest is counted, and copied with `y`."""
COMPONENTS_SHOWN = 6


class PayloadTree(Tree[None]):
    """One point: its id, its vectors, its payload. Text is taken as it is, never parsed."""

    show_root = False
    guide_depth = 2

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's own name
        super().__init__("", id=id)
        self.point: ShownPoint | None = None

    def show(self, point: ShownPoint | None) -> None:
        if point is not None and point == self.point:
            return
        self.point = point
        self.clear()
        if point is None:
            return
        self.root.add_leaf(self._label("id", point.id))
        for vector in point.vectors:
            self.root.add_leaf(self._vector(vector))
        payload = self.root.add(self._title("payload", len(point.payload), "key"), expand=True)
        self._fill(payload, point.payload, level=1)

    def _fill(self, node: TreeNode[None], value: Mapping[str, object] | Sequence[object], level: int) -> None:
        pairs = list(value.items()) if isinstance(value, dict) else list(enumerate(value))
        for name, inner in pairs[:CHILDREN_SHOWN]:
            if isinstance(inner, dict | list) and inner:
                noun = "key" if isinstance(inner, dict) else "value"
                child = node.add(self._title(name, len(inner), noun), expand=level < LEVELS_OPEN)
                self._fill(child, inner, level + 1)
            else:
                node.add_leaf(self._label(name, inner))
        if len(pairs) > CHILDREN_SHOWN:
            node.add_leaf(self._styled(f"… and {formatting.number(len(pairs) - CHILDREN_SHOWN)} more", look.MUTED))

    def _styled(self, value: object, style: str = "") -> Text:
        return look.cell(value, style, self.app.theme_variables)

    def _title(self, name: object, count: int, noun: str) -> Text:
        return self._styled(name, "bold").append_text(self._styled(f"  {formatting.counted(count, noun)}", look.MUTED))

    def _label(self, name: object, value: object) -> Text:
        style = "" if isinstance(value, str) else "$text-accent"
        return self._styled(f"{name}  ", look.MUTED).append_text(self._styled(brief(value), style))

    def _vector(self, vector: ShownVector) -> Text:
        name = f"vector {vector.name}" if vector.name else "vector"
        label = self._styled(f"{name}  ", look.MUTED)
        label.append_text(self._styled(f"{vector.kind}, {formatting.number(vector.size)}  ", "$text-accent"))
        if vector.zero:
            return label.append_text(look.state_cell("warning", self.app.theme_variables, "all zero"))
        return label.append_text(self._styled(components(vector.values), look.MUTED))


def components(values: object) -> str:
    if isinstance(values, dict):
        values = values.get("values", [])
    if not isinstance(values, list):
        return ""
    if values and isinstance(values[0], list):
        values = values[0]
    shown = " ".join(f"{value:.4f}" if isinstance(value, float) else str(value) for value in values[:COMPONENTS_SHOWN])
    return f"{shown} …" if len(values) > COMPONENTS_SHOWN else shown
