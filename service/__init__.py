"""BentoML's entry: a thin shell around `medpipe.serving`."""
