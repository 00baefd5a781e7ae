"""Copying the points of one collection: as a stream of requests, or as a snapshot of the server's own files."""
