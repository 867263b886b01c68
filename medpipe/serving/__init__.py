"""What the service needs, and nothing of the training side."""
