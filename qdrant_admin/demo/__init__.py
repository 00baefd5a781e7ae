"""The whole story on a bundled sample: up, migrate, verify by kill."""
