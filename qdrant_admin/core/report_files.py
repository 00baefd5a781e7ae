"""Reports as files: the form is what the name ends with."""

from datetime import datetime
from pathlib import Path
from typing import Literal

from qdrant_admin.core.errors import BadInput
from qdrant_admin.core.reports import Report

Form = Literal["markdown", "html", "json"]
_FORMS: dict[str, Form] = {".md": "markdown", ".html": "html", ".json": "json"}


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
    from qdrant_admin.core.serialization import to_json

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
