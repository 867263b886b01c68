"""From identifiable clinical data to a gated, audited, served model."""

from medpipe import telemetry

__version__ = "0.1.0"
__all__ = ["__version__", "telemetry"]
