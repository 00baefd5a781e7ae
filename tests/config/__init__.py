"""Tests of qdrant_admin.config."""
