"""Pictures and self-contained pages, without scripts."""
