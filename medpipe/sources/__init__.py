"""Readers of the layouts in which identifiable data arrive."""
