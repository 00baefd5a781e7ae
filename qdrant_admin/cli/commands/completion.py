"""`qdrant-admin completion`."""

import os

import click
from click.shell_completion import CompletionItem, ShellComplete, add_completion_class, split_arg_string

from qdrant_admin.cli.invocation import Invocation
from qdrant_admin.cli.options import command
from qdrant_admin.cli.quick import SCRIPTS, completion_script


@add_completion_class
class PowerShellComplete(ShellComplete):
    """Completion for PowerShell 5 and 7, which click does not bring."""

    name = "powershell"

    def source(self) -> str:
        """The script of this shell."""
        return completion_script(self.name)

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
@click.argument("shell", type=click.Choice(list(SCRIPTS)))
def completion(invocation: Invocation, shell: str) -> None:
    """Print a script that completes commands in your shell.

    Examples:
      qdrant-admin completion bash >> ~/.bashrc
      qdrant-admin completion zsh >> ~/.zshrc
      qdrant-admin completion fish > ~/.config/fish/completions/qdrant-admin.fish
      qdrant-admin completion powershell >> $PROFILE
    """
    script = completion_script(shell)
    invocation.show({"shell": shell, "script": script}, script.rstrip("\n"))
