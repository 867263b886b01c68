"""A project with a champion for records, and a source to be answered."""

import sys
from pathlib import Path

import pytest

from medpipe import workloads
from medpipe.paths import Layout

SERVING = Path(__file__).parents[1] / "serving"
NAME = "readmission"


@pytest.fixture(scope="module")
def builders():
    """The builder of a signed release of records, of the service's own tests."""
    sys.path.insert(0, str(SERVING))
    import brightness_release
    import record_release

    yield record_release, brightness_release
    sys.path.remove(str(SERVING))


@pytest.fixture
def project(tmp_path, builders, monkeypatch):
    records, signed = builders
    for variable in ("MEDPIPE_AUDIT", "MEDPIPE_AUDIT_KEY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("MEDPIPE_TRUSTED_KEYS", signed.TRUSTED[0].hex())
    layout = Layout(tmp_path / "project", NAME)
    records.write_record_release(
        layout.home.champions, NAME, parts=20, scratch=tmp_path / "scratch"
    )
    return layout


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "tonight"
    folder.mkdir()
    workloads.get(NAME).synthesise(folder, patients=40, seed=5)
    return folder
