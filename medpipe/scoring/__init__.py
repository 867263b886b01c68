"""Many examples at once: the champion's answers for all that a source offers, as one table."""

from medpipe.scoring.batch import score

__all__ = ["score"]
