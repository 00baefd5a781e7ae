"""A report as a document: its blocks written in Markdown, and as one HTML page.

The page needs nothing but itself, follows the reader's light or dark, and prints well. All text is foreign here:
whatever a collection or a point is called means only itself in both forms.
"""

import html
import re
from dataclasses import dataclass

from qdrant_admin.core import formatting
from qdrant_admin.core.blocks import (
    Block,
    Blocks,
    Code,
    Commands,
    Facts,
    Heading,
    Headline,
    Items,
    Paragraph,
    Part,
    Remark,
    Sparkline,
    StateWord,
    Step,
    Table,
    Words,
    parts,
)
from qdrant_admin.core.commands import Command, written
from qdrant_admin.core.formatting import plain

_MARKUP = re.compile(r"([\\`*_\[\]<>|#~])")


@dataclass(frozen=True)
class Document:
    """A state that is the answer, and what it rests on."""

    subject: str
    """What the answer is about, in a few words."""
    state: str
    """A key of `core.formatting.STATES`."""
    blocks: Blocks
    profile: str | None = None
    """The one that its commands are put on."""

    @property
    def title(self) -> str:
        look = formatting.state(self.state)
        return f"{look.symbol} {look.word}"


def to_markdown(document: Document) -> str:
    """As Markdown with tables, as most places that show Markdown read it."""
    write = _Markdown(document.profile)
    written_blocks = [write.block(block) for block in document.blocks]
    return (
        "\n\n".join(part for part in (f"# {_text(document.title)}", _text(document.subject), *written_blocks) if part)
        + "\n"
    )


def to_html(document: Document) -> str:
    """As one page that needs nothing else."""
    write = _Html(document.profile)
    return _PAGE.format(
        subject=html.escape(plain(document.subject)),
        title=html.escape(plain(document.title)),
        tone=formatting.state(document.state).tone,
        body="\n".join(write.block(block) for block in document.blocks),
        style=_STYLE,
    )


def _resolved(part: Part, profile: str | None) -> str:
    """A piece as text; what is to be copied as it is stays `Code`."""
    match part:
        case StateWord():
            return formatting.state(part.key).text()
        case Sparkline():
            return formatting.sparkline(part.values)
        case Command():
            return Code(written(part, profile))
        case _:
            return part


def _step(step: Step) -> Words:
    if not step.command:
        return step.says
    return f"{step.says}: ", step.command if isinstance(step.command, Command) else Code(step.command)


def _remark(remark: Remark) -> Words:
    title: Words = f"{remark.title}: " if remark.title else ""
    fix: Words = (
        ("; do now: ", Code(remark.command) if isinstance(remark.command, str) else remark.command)
        if remark.command
        else ""
    )
    return (f"{formatting.state(remark.level).symbol} ", *parts(title), *parts(remark.text), *parts(fix))


def _basic(block: Block) -> Heading | Paragraph | Facts | Items | Table:
    """What only screens draw in a way of its own is a list or a paragraph here."""
    match block:
        case Headline():
            return Paragraph(block.text)
        case Commands():
            return Items(tuple(_step(step) for step in block.steps))
        case Remark():
            return Items((_remark(block),))
        case _:
            return block


class _Markdown:
    def __init__(self, profile: str | None) -> None:
        self._profile = profile

    def block(self, block: Block) -> str:
        match _basic(block):
            case Heading(text):
                return f"## {self._inline(text)}"
            case Paragraph(text):
                return self._inline(text)
            case Facts(facts):
                return "\n".join(f"- **{_text(label)}**: {self._inline(value)}" for label, value in facts)
            case Items(rows):
                return "\n".join(f"- {self._inline(row)}" for row in rows)
            case Table(head, cells, right):
                rules = ["---:" if title in right else "---" for title in head]
                lines = [[_text(title) for title in head], rules, *([self._cell(v) for v in row] for row in cells)]
                return "\n".join(f"| {' | '.join(line)} |" for line in lines)

    def _inline(self, words: Words) -> str:
        found = (_resolved(part, self._profile) for part in parts(words))
        return "".join(_fenced(part) if isinstance(part, Code) else _text(part) for part in found)

    def _cell(self, words: Words) -> str:
        """As `_inline`, where a bar within a fence would end the cell all the same."""
        found = (_resolved(part, self._profile) for part in parts(words))
        return "".join(_fenced(part).replace("|", "\\|") if isinstance(part, Code) else _text(part) for part in found)


def _text(value: str) -> str:
    """Foreign text that means only itself in Markdown."""
    return _MARKUP.sub(r"\\\1", plain(value))


def _fenced(value: str) -> str:
    """Nothing within is markup, so a fence longer than any within does."""
    shown = plain(value)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    blank = " " if shown.startswith("`") or shown.endswith("`") else ""
    return f"{fence}{blank}{shown}{blank}{fence}"


class _Html:
    def __init__(self, profile: str | None) -> None:
        self._profile = profile

    def block(self, block: Block) -> str:
        match _basic(block):
            case Heading(text):
                return f"<h2>{self._safe(text)}</h2>"
            case Paragraph(text):
                return f"<p>{self._safe(text)}</p>"
            case Facts(facts):
                rows = "".join(f"<dt>{self._safe(label)}</dt><dd>{self._safe(value)}</dd>" for label, value in facts)
                return f"<dl>{rows}</dl>"
            case Items(rows):
                return f"<ul>{''.join(f'<li>{self._safe(row)}</li>' for row in rows)}</ul>"
            case Table() as table:
                return self._table(table)

    def _table(self, block: Table) -> str:
        kinds = [' class="right"' if title in block.right else "" for title in block.head]
        head = "".join(f"<th{kind}>{self._safe(title)}</th>" for kind, title in zip(kinds, block.head, strict=True))
        rows = "".join(
            f"<tr>{''.join(f'<td{kind}>{self._safe(v)}</td>' for kind, v in zip(kinds, row, strict=True))}</tr>"
            for row in block.rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"

    def _safe(self, words: Words) -> str:
        found = (_resolved(part, self._profile) for part in parts(words))
        return "".join(
            f"<code>{html.escape(plain(part))}</code>" if isinstance(part, Code) else html.escape(plain(part))
            for part in found
        )


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
