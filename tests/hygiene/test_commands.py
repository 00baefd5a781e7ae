"""Every command that the product can print exists, takes the options it is given, and is a value until the edge."""

import ast
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from qdrant_admin.cli.root import cli
from tests.hygiene.test_hygiene import PACKAGE, ROOT, sources

NAMES = set(cli.list_commands(click.Context(cli)))


def trees() -> Iterator[tuple[Path, ast.Module]]:
    """Every module of the product, parsed."""
    for path in sources():
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def made() -> Iterator[tuple[str, ast.Call]]:
    """Every `Command(...)` of the product, and where it is."""
    for path, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Command":
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def literal_words(node: ast.Call) -> list[str]:
    """The words of a command before the first that is only known when it runs."""
    words = []
    for argument in node.args:
        if not (isinstance(argument, ast.Constant) and isinstance(argument.value, str)):
            break
        words.append(argument.value)
    return words


def resolved(words: list[str]) -> click.Command:
    """The command that these words name, as far down as they name one."""
    found: click.Command = cli
    for word in words:
        if not isinstance(found, click.Group):
            break
        below = found.get_command(click.Context(found), word)
        assert below is not None, f"no command {' '.join(words)}"
        found = below
    return found


@pytest.mark.parametrize(("place", "node"), [pytest.param(*one, id=one[0]) for one in made()])
def test_a_command_exists_and_takes_its_options(place: str, node: ast.Call) -> None:
    words = literal_words(node)
    if not words:
        return  # built of what somebody else has resolved: tried where it is built
    command = resolved(words)
    known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}
    for option in node.keywords:
        if option.arg is not None:
            name = "--" + option.arg.rstrip("_").replace("_", "-")
            assert name in known, f"{place}: {' '.join(words)} takes no {name}"
    if isinstance(command, click.Group):
        assert len(node.args) > len(words) or any(one.arg == "help" for one in node.keywords), (
            f"{place} ends in a group"
        )


def test_no_command_is_glued_together_of_words() -> None:
    glued = []
    for path, tree in trees():
        prose = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        prose |= {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
                _, program, rest = node.value.partition("qdrant-admin ")
                if program and rest.split(" ")[0].rstrip(".,;:`") in {*NAMES, ""}:
                    glued.append(f"{path.relative_to(PACKAGE)}:{node.lineno}: {node.value[:80]!r}")
    assert glued == []


def test_an_errors_way_out_is_put_on_a_profile_wherever_it_is_shown() -> None:
    shown = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr == "fix"
        and isinstance(node.value, ast.Name)
        and node.value.id in {"error", "fault", "trouble", "refused", "shown"}
        and path.name != "panels.py"  # a job's failure, whose fix was put on its profile when it ended
    ]
    assert shown == []
