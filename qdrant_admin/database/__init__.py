"""What a Qdrant holds: one narrow gateway over qdrant-client, names, and the content fingerprint."""
