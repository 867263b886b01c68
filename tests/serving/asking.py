"""Clients that hardly rest, and note down what became of every single question."""

import contextlib
import threading
import time
from dataclasses import dataclass, field

import httpx
from film_project import WORKLOAD, film

REST_S = 0.02
"""Between an answer and the next question: load, and yet something left for the command."""


@dataclass
class Asked:
    """What came of each question: when it was over, and who answered or what went wrong."""

    became: list = field(default_factory=list)

    def versions(self, since=0.0):
        """Who answered, from that moment on."""
        return {version for moment, version in self.became if moment >= since}

    def wait_for(self, version, *, s):
        """Until the last twenty answers are all of `version`; the moment when the first came."""
        until = time.monotonic() + s
        while {each for _, each in self.became[-20:]} != {version} or len(self.became) < 20:
            assert time.monotonic() < until, f"{self.became[-5:]} after {s} s, not {version}"
            time.sleep(0.05)
        last_other = max((at for at, each in self.became if each != version), default=0.0)
        return min(at for at, each in self.became if at > last_other)


@contextlib.contextmanager
def asked(address, *, clients=4):
    """For the length of the block, `clients` ask again as soon as they are answered."""
    found, over = Asked(), threading.Event()

    def ask(content):
        with httpx.Client(timeout=20) as client:
            while not over.is_set():
                try:
                    answer = client.post(f"{address}/v1/{WORKLOAD}", files={"file": content})
                    version = answer.json().get("model_version", f"status {answer.status_code}")
                except (httpx.HTTPError, ValueError) as error:
                    version = repr(error)
                found.became.append((time.monotonic(), version))
                time.sleep(REST_S)

    threads = [threading.Thread(target=ask, args=(film(seed),)) for seed in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        over.set()
        for thread in threads:
            thread.join()
