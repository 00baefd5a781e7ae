"""Where vectors come from. One module or package per store; each opens its source read-only."""

from qdrant_admin.core.commands import Command

HELP = str(Command("migrate", help=True))
RESUME = Command("migrate", resume=True)
