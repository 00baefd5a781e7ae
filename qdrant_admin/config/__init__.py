"""Profiles, environment, secrets and places on disk."""
