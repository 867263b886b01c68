"""Stands in for Pillow: PNG files, which zlib and numpy read."""
