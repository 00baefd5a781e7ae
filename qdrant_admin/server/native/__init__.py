"""A real Qdrant binary, kept running by a small supervisor that outlives the terminal."""
