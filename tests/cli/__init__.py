"""Tests of qdrant_admin.cli."""
