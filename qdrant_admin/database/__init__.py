"""What a Qdrant server holds: one gateway over REST and gRPC, names, and the content fingerprint."""
