"""Stores that keep records in columns of their own: whose they are, and how their columns become a payload."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qdrant_admin.sources import layouts
from qdrant_admin.sources.layouts import Layout

_TEXT, _METADATA = "text", "metadata"
"""What LangChain, LlamaIndex and Mem0 call these columns in LanceDB and in Milvus."""


@dataclass(frozen=True, slots=True)
class ColumnLayout:
    """How the columns of a table become a payload."""

    layout: Layout
    nested: bool
    """Whether the metadata is an object in a column of its own."""

    def payload(self, columns: Mapping[str, Any]) -> dict[str, Any]:
        """The payload of one record.

        Args:
            columns: those that are neither its id nor a vector; not changed.
        """
        if self.layout == "plain":
            return dict(columns)
        rest = dict(columns)
        text = rest.pop(_TEXT, None) if self.layout != "mem0" and isinstance(rest.get(_TEXT), str) else None
        inner = rest.get(_METADATA)
        if self.nested and isinstance(inner, Mapping):
            del rest[_METADATA]
            rest = _joined(rest, inner)
        return layouts.lay_out(self.layout, rest, text)


def recognised(samples: Sequence[Mapping[str, Any]], asked: Layout | None, *, langchain: bool = False) -> ColumnLayout:
    """The layout of a table.

    Args:
        samples: columns of some records, without id and vectors.
        asked: what the URI asks for.
        langchain: whether the table is what LangChain makes, if nothing in the records speaks against it.
    """
    nested = bool(samples) and all(isinstance(one.get(_METADATA), Mapping) for one in samples)
    found = layouts.recognised([one[_METADATA] for one in samples] if nested else samples)
    if found == "plain" and samples:
        paired = nested and all(one.keys() == {_TEXT, _METADATA} for one in samples)
        found = "langchain" if paired or langchain else found
    return ColumnLayout(asked or found, nested)


def _joined(columns: dict[str, Any], inner: Mapping[str, Any]) -> dict[str, Any]:
    """Both on one level; what has a namesake of another value keeps a name of its own."""
    joined = dict(inner)
    for name, value in columns.items():
        free = name
        while free in joined and joined[free] != value:
            free += "_"
        joined[free] = value
    return joined
