"""How a report is made."""
