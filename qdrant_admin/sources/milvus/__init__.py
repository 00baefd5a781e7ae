"""Milvus: Lite files, exported files and its server."""
