"""Files of rows: JSON Lines, JSON, CSV, Parquet, Arrow, NumPy."""
