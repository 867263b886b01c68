"""Invented patients: legal, identifiable-looking, with a signal that can be learned."""
