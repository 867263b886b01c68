"""Raw and ready: the two tables between the stages."""
