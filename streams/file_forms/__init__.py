"""Forms of input files: JSON values, tables, and foreign formats."""
