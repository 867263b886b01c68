"""The exported model: its graph, its compressed form, and how closely both agree with torch."""
