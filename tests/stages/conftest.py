"""Every objective from raw to a promoted model, made once for all tests that look at it."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from three_numbers import LABELS, run

from medpipe import workloads
from medpipe.serving import api, catalogue, recorder

PAGE = Path(__file__).parents[2] / "service" / "page.html"


@pytest.fixture(scope="session", params=list(LABELS))
def done(request, tmp_path_factory):
    """Workload, layout, outcome of evaluate, report."""
    return run(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture
def client(done, tmp_path, monkeypatch):
    """The service over the promoted release, where the workload is installed."""
    workload, layout, _, _ = done
    installed = f"from three_numbers import Table\nWORKLOAD = Table({workload.objective!r})\n"
    (tmp_path / f"{workload.name}.py").write_text(installed)
    monkeypatch.setattr(workloads, "__path__", [*workloads.__path__, str(tmp_path)])
    monkeypatch.setenv("MEDPIPE_AUDIT", f"sqlite:///{tmp_path / 'audit.db'}")
    app = api.create(
        lambda: catalogue.at(layout.root), recorder=lambda: recorder.at(layout.root), page=PAGE
    )
    with TestClient(app) as client:
        yield client
