"""Tests of qdrant_admin.core."""
