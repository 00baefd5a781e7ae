"""qdrant-admin: set up, watch, fill and prove a Qdrant on a developer's workstation.

Importing this package imports nothing heavy: the version, and no more.
"""

__version__ = "0.1.0"
