"""The terminal application in each of its designed states, and driven by keys."""
