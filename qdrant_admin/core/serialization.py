"""JSON that every parser takes, whatever a database or a file name had in it.

msgspec's own encoder refuses lone surrogates (a file name that is not UTF-8 has them), and Python's writes NaN and
Infinity, which are not JSON. Here the former become replacement characters and the latter null.
"""

import json
import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import msgspec

from qdrant_admin.core.errors import BadInput
from qdrant_admin.core.reports import Report

Form = Literal["markdown", "html", "json"]
_FORMS: dict[str, Form] = {".md": "markdown", ".html": "html", ".json": "json"}


def to_json(value: object, *, indent: int | None = None, ascii_only: bool = False) -> str:
    """A report, an event, or anything made of plain values, as JSON text."""
    return json.dumps(jsonable(value), ensure_ascii=ascii_only, indent=indent, allow_nan=False)


def jsonable(value: object) -> Any:
    """The same value in what JSON knows."""
    if isinstance(value, msgspec.Struct):
        return {name: jsonable(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_text(str(key)): jsonable(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [jsonable(one) for one in (value if isinstance(value, list | tuple) else sorted(value))]
    return msgspec.to_builtins(value, enc_hook=str)


def _text(value: str) -> str:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return value


def form_of(path: Path) -> Form:
    """The form of a file of this name.

    Raises:
        BadInput: its name ends with none that is known.
    """
    form = _FORMS.get(path.suffix.lower())
    if form is None:
        raise BadInput(f"{path.name} ends in none of {', '.join(_FORMS)}")
    return form


def written_as(report: Report, form: Form, when: datetime | None = None) -> str:
    """A report as the text of a file.

    Raises:
        BadInput: it has no other form than JSON.
    """
    from qdrant_admin.core.document import to_html, to_markdown

    if form == "json":
        return to_json({"schema": report.SCHEMA, **report.model_dump()}, indent=2) + "\n"
    document = report.document(when)
    if document is None:
        raise BadInput("this report has one form: JSON", why="there is no certificate of it")
    return to_html(document) if form == "html" else to_markdown(document)


def save_report(report: Report, path: Path) -> None:
    """Write a report into a file, whole or not at all.

    Raises:
        BadInput: its name ends with no form that is known, or it cannot be written.
    """
    from qdrant_admin.core.files import write_atomically

    text = written_as(report, form_of(path))
    try:
        write_atomically(path, text)
    except OSError as error:
        raise BadInput(
            f"{path} cannot be written", why=error.strerror or str(error), fix=f'ls -l "{path.parent}"'
        ) from error
