"""What a person at a terminal reads of a flow, beside what its tasks say."""

from __future__ import annotations

import logging

_ENGINES = {"task_engine", "flow_engine"}
"""Prefect's modules that say how each run begins, fails and ends."""


class _Terminal(logging.Filter):
    """Leaves out what the tasks' own lines, and the message at the end, say better.

    Prefect's "Finished in state Completed()" does not say which task; of an error it prints the way
    through its own code once for the task and once for the flow. On a Prefect server nothing is
    left out: its pages show each line under its task.
    """

    def __init__(self, least: int) -> None:
        super().__init__()
        self._least = least

    def filter(self, record: logging.LogRecord) -> bool:
        told_better = record.exc_info or record.getMessage().startswith("Finished in state")
        return record.levelno >= self._least and not (record.module in _ENGINES and told_better)


def calm() -> None:
    """Let the terminal show what a tired person needs.

    ``medpipe --verbose`` shows everything, ``medpipe --quiet`` errors only.
    """
    least = logging.getLogger("medpipe").getEffectiveLevel()
    if least > logging.DEBUG:
        for handler in logging.getLogger().handlers:
            handler.addFilter(_Terminal(least))
