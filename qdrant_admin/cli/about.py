"""Commands about the command line itself: completion, and its description as JSON."""

import json
import os
from typing import Any

import rich_click as click
from click.shell_completion import (
    CompletionItem,
    ShellComplete,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

from qdrant_admin.cli.call import Call, common, write
from qdrant_admin.cli.group import HelpfulCommand

VARIABLE = "_QDRANT_ADMIN_COMPLETE"
_POWERSHELL = """\
Register-ArgumentCompleter -Native -CommandName %(prog_name)s -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $env:COMP_WORDS = $commandAst.ToString()
    $env:COMP_CWORD = $wordToComplete
    $env:%(complete_var)s = 'powershell_complete'
    %(prog_name)s | ForEach-Object {
        $value, $help = $_ -split "`t", 2
        if (-not $help) { $help = $value }
        [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $help)
    }
    Remove-Item Env:COMP_WORDS, Env:COMP_CWORD, Env:%(complete_var)s
}
"""


@add_completion_class
class PowerShellComplete(ShellComplete):
    """Completion for PowerShell 5 and 7, which click does not bring."""

    name = "powershell"
    source_template = _POWERSHELL

    def get_completion_args(self) -> tuple[list[str], str]:
        """Words before the one being typed, and that one."""
        words = split_arg_string(os.environ.get("COMP_WORDS", ""))[1:]
        incomplete = os.environ.get("COMP_CWORD", "")
        if incomplete and words and words[-1] == incomplete:
            words.pop()
        return words, incomplete

    def format_completion(self, item: CompletionItem) -> str:
        """Value and help, a tab between them."""
        return f"{item.value}\t{item.help or ''}"


@click.command(cls=HelpfulCommand)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish", "powershell"]))
@common
@click.pass_context
def completion(context: click.Context, call: Call, shell: str) -> None:
    """Print a script that completes commands in your shell.

    Examples:
      qdrant-admin completion bash >> ~/.bashrc
      qdrant-admin completion zsh >> ~/.zshrc
      qdrant-admin completion fish > ~/.config/fish/completions/qdrant-admin.fish
      qdrant-admin completion powershell >> $PROFILE
    """
    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"no completion for {shell}")
    maker = found(context.find_root().command, {}, "qdrant-admin", VARIABLE)
    script = maker.source_template % maker.source_vars()
    if call.as_json:
        write(json.dumps({"shell": shell, "script": script}))
    else:
        write(script)


@click.command(cls=HelpfulCommand)
@common
@click.pass_context
def spec(context: click.Context, call: Call) -> None:  # noqa: ARG001 # it has one form: JSON
    """Print this command line as JSON: every command with its help, arguments and options.

    Examples:
      qdrant-admin spec
    """
    write(json.dumps(describe(context.find_root().command, "qdrant-admin"), indent=2))


def describe(command: click.Command, name: str) -> dict[str, Any]:
    """A command and everything below it."""
    context = click.Context(command, info_name=name)
    result: dict[str, Any] = {
        "name": name,
        "help": (command.help or "").replace("\b\n", ""),
        "parameters": [_parameter(one) for one in command.params],
    }
    if isinstance(command, click.Group):
        below = ((child, command.get_command(context, child)) for child in command.list_commands(context))
        result["commands"] = [describe(found, child) for child, found in below if found]
    return result


def _parameter(parameter: click.Parameter) -> dict[str, Any]:
    kind = parameter.type
    return {
        "names": [*parameter.opts, *parameter.secondary_opts],
        "argument": isinstance(parameter, click.Argument),
        "required": parameter.required,
        "repeatable": bool(getattr(parameter, "multiple", False)) or parameter.nargs == -1,
        "flag": bool(getattr(parameter, "is_flag", False)),
        "choices": list(kind.choices) if isinstance(kind, click.Choice) else None,
        "help": getattr(parameter, "help", None),
    }
