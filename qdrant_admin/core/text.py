"""Text from a database, a log or a file is hostile until it has been through here."""

import unicodedata

_INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_NAMED = {"\n": "⏎", "\t": "⇥", "\r": "␍", "\x00": "␀", "\x1b": "␛"}


def plain(value: object) -> str:
    """One printable line: controls, escapes, bidi marks and lone surrogates become visible stand-ins.

    Does not escape markup: faces hand the result to widgets that take text as it is, never to a markup parser.
    """
    text = str(value)
    if text.isprintable():  # nearly always, and fifty times faster; what it calls printable is a part of what we do
        return text
    return "".join(_visible(char) for char in text)


def _visible(char: str) -> str:
    if char in _NAMED:
        return _NAMED[char]
    return "\N{REPLACEMENT CHARACTER}" if unicodedata.category(char) in _INVISIBLE else char
