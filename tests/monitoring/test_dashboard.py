"""The Grafana dashboard asks for gauges that a verdict has, by labels that they have."""

import json
import re

import pytest

from medpipe.monitoring.exposition import GAUGES

QUERY = re.compile(r"(medpipe_\w+)(?:\{([^}]*)\})?")


@pytest.fixture
def asked(pytestconfig):
    """Every query of the dashboard, with the label in its legend."""
    board = json.loads((pytestconfig.rootpath / "service" / "grafana.json").read_text())
    targets = [target for panel in board["panels"] for target in panel["targets"]]
    return [(target["expr"], target["legendFormat"]) for target in targets]


def test_every_query_names_a_gauge_and_labels_that_it_has(asked):
    for query, legend in asked:
        name, selected = QUERY.match(query).groups()
        labels = {"workload", *GAUGES[name][1]}
        assert set(re.findall(r"(\w+)=", selected)) <= labels
        assert set(re.findall(r"\{\{(\w+)\}\}", legend)) <= labels


def test_what_decides_is_shown(asked):
    shown = {QUERY.match(query)[1].removeprefix("medpipe_monitor_") for query, _ in asked}
    assert shown >= {
        "verdict",
        "action",
        "moved",
        "psi_beyond_chance",
        "auroc",
        "observed_expected",
    }
