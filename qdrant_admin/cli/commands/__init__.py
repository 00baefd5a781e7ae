"""The commands, one in each module, which has its name."""
