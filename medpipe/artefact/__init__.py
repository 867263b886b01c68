"""The exported model: its graph, its compressed form, its distances, its agreement with torch."""
