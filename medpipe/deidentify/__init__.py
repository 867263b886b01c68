"""Removal of identifiers; used by ingest alone."""
