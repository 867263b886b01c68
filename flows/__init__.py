"""Prefect's side of medpipe: order, retries, concurrency, and what an operator sees."""
