"""A report as a document: a few kinds of blocks, and how each is written in Markdown and in HTML.

The HTML page needs nothing but itself, follows the reader's light or dark, and prints well. All text is foreign here:
whatever a collection or a point is called means only itself in both forms.
"""

import html
import re
from dataclasses import dataclass

from qdrant_admin.core.formatting import Tone
from qdrant_admin.core.text import plain

_MARKUP = re.compile(r"([\\`*_\[\]<>|#~])")


class Code(str):
    """A name, a path or a command, to be copied as it is."""

    __slots__ = ()


Words = str | tuple[str, ...]
"""Text, or pieces of it, some of which may be `Code`."""


@dataclass(frozen=True)
class Heading:
    """The title of a part."""

    text: Words


@dataclass(frozen=True)
class Paragraph:
    """A few sentences."""

    text: Words


@dataclass(frozen=True)
class Facts:
    """Labels and values, a line each."""

    rows: tuple[tuple[str, Words], ...]


@dataclass(frozen=True)
class Items:
    """A list."""

    rows: tuple[Words, ...]


@dataclass(frozen=True)
class Table:
    """Rows under a head; the columns named in `right` hold numbers."""

    head: tuple[str, ...]
    rows: tuple[tuple[Words, ...], ...]
    right: frozenset[str] = frozenset()


Block = Heading | Paragraph | Facts | Items | Table


@dataclass(frozen=True)
class Document:
    """A title that is the answer, how good that is, and what it rests on."""

    subject: str
    """What the answer is about, in a few words."""
    title: str
    tone: Tone
    blocks: tuple[Block, ...]


def to_markdown(document: Document) -> str:
    """As Markdown with tables, as most places that show Markdown read it."""
    parts = [f"# {_text(document.title)}", _text(document.subject), *(_markdown(block) for block in document.blocks)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _markdown(block: Block) -> str:
    match block:
        case Heading():
            return f"## {_inline(block.text)}"
        case Paragraph():
            return _inline(block.text)
        case Facts():
            return "\n".join(f"- **{_text(label)}**: {_inline(value)}" for label, value in block.rows)
        case Items():
            return "\n".join(f"- {_inline(row)}" for row in block.rows)
        case Table():
            rules = ["---:" if title in block.right else "---" for title in block.head]
            head = [_text(title) for title in block.head]
            rows = [head, rules, *([_cell(value) for value in row] for row in block.rows)]
            return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _inline(words: Words) -> str:
    return "".join(_fenced(part) if isinstance(part, Code) else _text(part) for part in _parts(words))


def _cell(words: Words) -> str:
    """As `_inline`, where a bar within a fence would end the cell all the same."""
    fenced = (_fenced(part).replace("|", "\\|") if isinstance(part, Code) else _text(part) for part in _parts(words))
    return "".join(fenced)


def _text(value: str) -> str:
    """Foreign text that means only itself in Markdown."""
    return _MARKUP.sub(r"\\\1", plain(value))


def _fenced(value: str) -> str:
    """Nothing within is markup, so a fence longer than any within does."""
    shown = plain(value)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    blank = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{blank}{shown}{blank}{fence}"


def _parts(words: Words) -> tuple[str, ...]:
    return (words,) if isinstance(words, str) else words


def to_html(document: Document) -> str:
    """As one page that needs nothing else."""
    body = "\n".join(_html(block) for block in document.blocks)
    subject, title = _safe(document.subject), _safe(document.title)
    return _PAGE.format(subject=subject, title=title, tone=document.tone, body=body, style=_STYLE)


def _html(block: Block) -> str:
    match block:
        case Heading():
            return f"<h2>{_safe(block.text)}</h2>"
        case Paragraph():
            return f"<p>{_safe(block.text)}</p>"
        case Facts():
            rows = "".join(f"<dt>{_safe(label)}</dt><dd>{_safe(value)}</dd>" for label, value in block.rows)
            return f"<dl>{rows}</dl>"
        case Items():
            return f"<ul>{''.join(f'<li>{_safe(row)}</li>' for row in block.rows)}</ul>"
        case Table():
            kinds = [' class="right"' if title in block.right else "" for title in block.head]
            head = "".join(f"<th{kind}>{_safe(title)}</th>" for kind, title in zip(kinds, block.head, strict=True))
            rows = "".join(
                f"<tr>{''.join(f'<td{kind}>{_safe(v)}</td>' for kind, v in zip(kinds, row, strict=True))}</tr>"
                for row in block.rows
            )
            return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _safe(words: Words) -> str:
    safe = ((isinstance(part, Code), html.escape(plain(part))) for part in _parts(words))
    return "".join(f"<code>{part}</code>" if code else part for code, part in safe)


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}: {subject}</title>
<style>{style}</style>
</head>
<body>
<main class="{tone}">
<p class="subject">{subject}</p>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""
_STYLE = """
:root { --ink: #1c1b22; --soft: #5f5d6b; --line: #dddbe6; --page: #ffffff; --mark: #5b6470;
  --good: #17764b; --warn: #8a5a00; --bad: #b3261e; --busy: #1d5fa8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e9e8f0; --soft: #a3a1b0; --line: #34323f; --page: #14131a;
  --good: #63d29a; --warn: #e3b341; --bad: #ff8a80; --busy: #7ab7ff; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 3rem 1.5rem; --tone: var(--mark); }
main.good { --tone: var(--good); } main.warn { --tone: var(--warn); }
main.bad { --tone: var(--bad); } main.busy { --tone: var(--busy); }
h1 { margin: 0 0 1rem; padding-left: 1rem; border-left: 6px solid var(--tone); color: var(--tone);
  font-size: 2.2rem; line-height: 1.2; }
h2 { margin: 2.5rem 0 .75rem; font-size: 1.15rem; }
p { margin: .75rem 0; max-width: 46rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .35rem 1.5rem; margin: 1.25rem 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
table { width: 100%; border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; }
th { color: var(--soft); font-weight: 500; text-align: left; }
th, td { padding: .4rem .75rem .4rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td:last-child { overflow-wrap: anywhere; }
th.right, td.right { text-align: right; white-space: nowrap; }
code { font: .92em ui-monospace, monospace; }
.subject { margin: 0 0 .5rem; color: var(--soft); }
ul { padding-left: 1.2rem; }
@media print {
  body { background: none; font-size: 11pt; }
  main { max-width: none; padding: 0; }
  tr, dl { break-inside: avoid; }
  h2 { break-after: avoid; }
}
"""
