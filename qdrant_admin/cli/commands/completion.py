"""`qdrant-admin completion`."""

import json
import os

import click
from click.shell_completion import (
    CompletionItem,
    ShellComplete,
    add_completion_class,
    get_completion_class,
    split_arg_string,
)

from qdrant_admin.cli.invocation import Invocation, command, write
from qdrant_admin.cli.main import COMPLETE

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


@command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish", "powershell"]))
def completion(invocation: Invocation, shell: str) -> None:
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
    maker = found(click.get_current_context().find_root().command, {}, "qdrant-admin", COMPLETE)
    script = maker.source_template % maker.source_vars()
    if invocation.as_json:
        write(json.dumps({"shell": shell, "script": script}))
    else:
        write(script)
