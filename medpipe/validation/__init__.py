"""Rules that raw must fulfil, what broke them, and the page that shows it."""
