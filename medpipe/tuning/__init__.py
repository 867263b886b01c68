"""The search for better parameters: trials on train, scored on val, never on test.

Each trial is the training that stage train would make of its values, kept in a database that
several processes, or machines, share. No other module knows that the search is Optuna's.
"""

from medpipe.tuning.search import look, tune, worker

__all__ = ["look", "tune", "worker"]
