"""Moving the data of a container to a named volume: the mechanism. Whoever calls it decides and compares."""
