"""Moving vectors into a Qdrant: plan, stream, checkpoint, verify."""
