"""What a model in use is asked, and what came of its answers, without a value or a name."""
