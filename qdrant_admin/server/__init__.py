"""How a Qdrant runs: in Docker, as a native process, or somewhere else. Nobody outside asks which one it is."""
