"""Redis with vectors in hashes."""
