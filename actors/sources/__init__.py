"""Fetching raw documents: one file per kind of source."""
