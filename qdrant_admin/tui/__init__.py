"""The terminal application: the second face of every operation. Start with the module docstring of `tui.app`."""
