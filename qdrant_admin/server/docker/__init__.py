"""Qdrant in a container: finding the engine, fetching the image, making, watching and replacing the container."""
