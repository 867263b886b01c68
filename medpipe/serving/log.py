"""What must not reach the log of the service."""

from __future__ import annotations

import logging
import traceback


class WithoutValues(logging.Filter):
    """Reduces a logged exception to its type and the places it went through.

    The text of an unexpected exception may quote what was being read: a header's value, a part of
    an upload. Where it happened is enough to find the bug.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        kind, _, trace = record.exc_info or (None, None, None)
        if kind is not None:
            places = " < ".join(
                f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}"
                for frame in reversed(traceback.extract_tb(trace))
            )
            record.msg, record.args = "unexpected %s at %s", (kind.__name__, places)
            record.exc_info = record.exc_text = None
        return True
