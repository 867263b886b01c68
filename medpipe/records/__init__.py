"""What records of patients hold: what may be stated, series on a grid of hours, code tables."""
