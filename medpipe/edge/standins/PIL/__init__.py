"""Stands in for Pillow: grey PNG files, which zlib and numpy read."""
