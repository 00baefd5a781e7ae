"""Every command is documented, takes the common options, and shows examples that its own parser accepts."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from qdrant_admin.cli.root import cli
from tests.cli.conftest import Run


def walk(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from walk(found, (*path, name))


TREE = list(walk(cli))
LEAVES = [(path, command) for path, command in TREE if path and not isinstance(command, click.Group)]


@pytest.mark.parametrize(
    ("path", "command"), TREE, ids=lambda value: "-".join(value) if isinstance(value, tuple) else ""
)
def test_every_command_is_documented(path: tuple[str, ...], command: click.Command) -> None:
    assert command.help
    assert command.help.splitlines()[0].endswith(".")
    assert "Examples:" in command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.name
            assert parameter.help.endswith("."), parameter.name


@pytest.mark.parametrize(
    ("path", "command"), LEAVES, ids=lambda value: "-".join(value) if isinstance(value, tuple) else ""
)
def test_every_command_takes_the_common_options(path: tuple[str, ...], command: click.Command) -> None:
    options = {name for parameter in command.params for name in parameter.opts}
    assert {"--profile", "--json", "--events", "--debug"} <= options


EXAMPLES = [
    line
    for _, command in TREE
    for line in re.findall(r"qdrant-admin [^\n]+", (command.help or "").split("Examples:")[-1])
]


@pytest.mark.parametrize("line", sorted(set(EXAMPLES)))
def test_every_example_is_one_that_the_parser_takes(line: str) -> None:
    words = shlex.split(re.split(r"  +|\)|>", line)[0])[1:]
    command: click.Command = cli
    while isinstance(command, click.Group) and words:
        found = command.get_command(click.Context(command), words.pop(0))
        assert found is not None, line
        command = found
    assert not isinstance(command, click.Group) or command.invoke_without_command, line
    with command.make_context("example", words):
        pass


def test_the_description_holds_every_command(run: Run) -> None:
    ran = run("spec")
    assert [one["name"] for one in ran.json["commands"]] == [path[0] for path, _ in TREE if len(path) == 1]


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_every_command_is_named_where_people_look(page: str) -> None:
    text = (Path(__file__).parents[2] / page).read_text(encoding="utf-8")
    named = set(re.findall(r"(?:(?<=qdrant-admin )|(?<=`))([a-z]+(?:-[a-z]+)*)(?![\w-])", text))
    assert [path[0] for path, _ in TREE if len(path) == 1 and path[0] not in named] == []


def test_every_method_of_a_source_is_in_the_guide_for_plug_ins() -> None:
    from qdrant_admin.sources.base import Source

    text = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")
    methods = [name for name, value in vars(Source).items() if callable(value) and not name.startswith("_")]
    assert methods
    assert [name for name in methods if f"`{name}" not in text and f"def {name}(" not in text] == []
