"""What a kind of prediction knows: its loss, link, metrics and plots. One module each."""
