"""SQLite databases with vectors of sqlite-vec."""
