"""`python -m qdrant_admin` is the same as the `qdrant-admin` command."""

from qdrant_admin.cli.main import main

if __name__ == "__main__":
    main()
