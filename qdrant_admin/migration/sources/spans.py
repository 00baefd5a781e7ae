"""Cutting a collection whose rows are numbered into parts."""

from itertools import pairwise

from qdrant_admin.migration.sources.base import Cursor, Span


def cut(count: int, parts: int) -> tuple[Span, ...]:
    """Spans of about the same size; a cursor is the number of the row behind it, the first row has the number 0.

    Args:
        count: rows.
        parts: spans, at most.
    """
    parts = max(1, min(parts, count))
    edges: list[Cursor] = [None, *(count * part // parts for part in range(1, parts)), None]
    return tuple(Span(after=left, until=right) for left, right in pairwise(edges))
