"""A real Qdrant binary, kept running by a small supervisor of ours that outlives the terminal."""
