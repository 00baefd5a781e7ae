"""Where vectors come from. One module a kind; each opens its source read-only."""
