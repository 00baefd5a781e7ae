"""One module a screen, each answering one question."""
