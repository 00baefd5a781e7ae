"""JSON that every parser takes, whatever a database or a file name had in it.

pydantic's own serializer refuses lone surrogates (a file name that is no UTF-8 has them), and Python's writes NaN and
Infinity, which are no JSON. Here the former become replacement characters and the latter null.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic_core import to_jsonable_python


def to_json(value: object, *, indent: int | None = None, ascii_only: bool = False) -> str:
    """A report, an event, or anything made of plain values, as JSON text."""
    return json.dumps(jsonable(value), ensure_ascii=ascii_only, indent=indent, allow_nan=False)


def jsonable(value: object) -> Any:
    """The same value in what JSON knows."""
    if isinstance(value, BaseModel):
        value = value.model_dump()
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_text(str(key)): jsonable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(one) for one in value]
    if isinstance(value, set | frozenset):
        return sorted(jsonable(one) for one in value)
    return to_jsonable_python(value)


def _text(value: str) -> str:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value
