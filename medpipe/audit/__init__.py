"""The record of every answer: append-only, chained by a key, in SQLite or PostgreSQL.

What it holds names no patient, and holds no pixel and no text; docs/audit.md says what can be
proved with it, and what cannot.
"""
