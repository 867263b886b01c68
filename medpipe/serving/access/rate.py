"""How often a caller may ask: a token bucket for each, in the memory of this process.

slowapi and fastapi-limiter count by route and address, behind decorators that a new route could be
without; what is needed here is a bucket by caller, in front of everything.
"""

from __future__ import annotations

import re
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from medpipe.errors import ParamsError

SPELLED = r"^([1-9]\d{0,5})/(s|min|h)$"
_SECONDS = {"s": 1, "min": 60, "h": 3600}
_BUCKETS_MAX = 10_000
"""Buckets that are kept, a few MB; of more, the one that was used longest ago is forgotten."""


@dataclass(frozen=True)
class Rate:
    """At most `count` requests at once, and as many again, evenly, in each period.

    Parameters
    ----------
    count : requests
    period_s : time in which an empty bucket fills, s
    """

    count: int
    period_s: float

    @classmethod
    def of(cls, text: str) -> Rate:
        """The rate spelled like ``50/s``, ``600/min`` or ``1000/h``.

        Raises
        ------
        ParamsError : it is not spelled so
        """
        match = re.fullmatch(SPELLED, text)
        if match is None:
            raise ParamsError(f"a rate is spelled like 50/s, 600/min or 1000/h, not {text!r}")
        return cls(int(match[1]), _SECONDS[match[2]])

    def __str__(self) -> str:
        unit = next(name for name, seconds in _SECONDS.items() if seconds == self.period_s)
        return f"{self.count}/{unit}"


class Buckets:
    """What each caller has left. For one event loop: nothing here waits.

    Parameters
    ----------
    clock : seconds that never go back
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, name: str, rate: Rate) -> float:
        """Take one request out of the bucket of `name`.

        Returns
        -------
        0 if there was one, else the seconds until there is
        """
        now = self._clock()
        left, at = self._left.pop(name, (float(rate.count), now))
        left = min(float(rate.count), left + (now - at) * rate.count / rate.period_s)
        wait_s = 0.0 if left >= 1 else (1 - left) * rate.period_s / rate.count
        self._left[name] = (left if wait_s else left - 1, now)
        if len(self._left) > _BUCKETS_MAX:
            self._left.popitem(last=False)
        return wait_s
