"""The command line: draws the events of operations as lines, bars or JSON."""
