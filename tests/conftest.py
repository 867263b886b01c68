"""What every test may count on."""

import functools

import postgres_cluster
import pytest
from starlette.testclient import TestClient


@pytest.fixture(autouse=True)
def from_this_machine(monkeypatch):
    """Requests come from 127.0.0.1, as uvicorn would see them, unless a test says otherwise.

    TestClient's own defaults are a host and a peer that no real client has; the service answers
    nobody but this machine while no API key is set up.
    """
    oidc = ("OIDC_ISSUER", "OIDC_AUDIENCE", "OIDC_JWKS", "OIDC_SCOPE_CLAIM")
    for name in ("ACCESS_KEYS", "RATE", *oidc):
        monkeypatch.delenv(f"MEDPIPE_{name}", raising=False)
    here = functools.partialmethod(
        TestClient.__init__, base_url="http://127.0.0.1:3000", client=("127.0.0.1", 50000)
    )
    monkeypatch.setattr(TestClient, "__init__", here)


@pytest.fixture(scope="session")
def cluster():
    """A real PostgreSQL; skips where none is installed."""
    with postgres_cluster.running() as found:
        yield found
