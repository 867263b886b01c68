"""A whole release of a workload whose answers can be worked by hand, in every test here."""

from pathlib import Path

import pytest
from brightness_release import write_release

from medpipe import workloads


@pytest.fixture(autouse=True)
def brightness(monkeypatch):
    """The workload is installed, for this test."""
    here = str(Path(__file__).parent / "workloads")
    monkeypatch.setattr(workloads, "__path__", [*workloads.__path__, here])


@pytest.fixture
def releases(tmp_path) -> Path:
    """A folder that holds the signed release of `brightness`."""
    write_release(tmp_path / "releases" / "brightness")
    return tmp_path / "releases"
