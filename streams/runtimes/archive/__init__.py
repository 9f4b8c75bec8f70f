"""The archive runtime: an exported log in Parquet files."""
