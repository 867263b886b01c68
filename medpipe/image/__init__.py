"""The champion as a container that was started, asked and found to answer as it was measured."""
