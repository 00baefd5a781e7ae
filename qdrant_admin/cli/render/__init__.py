"""What the command line draws: reports as blocks, and the events of an operation."""
