"""Readmission on the 130 US hospitals: from the published archive to measured answers."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from medpipe import config, stages
from medpipe.workloads import get

pytestmark = [pytest.mark.real, pytest.mark.slow]
KEY = "a key that only the tests know!!"
"""Fixes which patients are tested; it was not chosen among others."""
_MINUTES_MAX = 15
PAGE = Path(__file__).parents[2] / "docs" / "bring-your-data.md"


def recipe() -> dict[str, Any]:
    """The section that the page gives for the published data."""
    blocks = re.findall(r"^```yaml\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    sections = [yaml.safe_load(block)["workloads"].get("readmission") for block in blocks]
    return next(each for each in sections if each and each["source"]["name"] == "diabetes130")


@pytest.fixture(scope="module")
def archive(pytestconfig):
    data = config.environment("MEDPIPE_REAL_DATA")
    path = pytestconfig.rootpath / (data or "../shared/data") / "diabetes130"
    if not path.is_dir():
        pytest.skip("no diabetes130 under MEDPIPE_REAL_DATA or ../shared/data")
    return path


def test_the_publication_is_read_whole(archive):
    items = list(get("readmission").source("diabetes130", archive, options={}).items())
    assert len(items) == 101_766  # Strack et al. 2014; UCI's page
    assert len({item.patient_id for item in items}) == 71_518
    assert sum(item.label for item in items) == 11_357
    read = [get("readmission").read(item.payload, limits={}) for item in items]
    outside = [get("readmission").excluded(row) for row in read]
    assert len(outside) - outside.count(None) == 2_423  # dispositions 11, 13, 14, 19, 20, 21


@pytest.fixture(scope="module")
def report(archive, tmp_path_factory):
    root = tmp_path_factory.mktemp("project")
    section = recipe() | {"source": {"name": "diabetes130", "path": str(archive)}}
    (root / "params.yaml").write_text(json.dumps({"workloads": {"readmission": section}}))
    patch = pytest.MonkeyPatch()
    patch.setenv("MEDPIPE_PSEUDONYM_KEY", KEY)
    started = time.monotonic()
    for stage in ("ingest", "validate", "preprocess", "train", "export", "evaluate"):
        stages.run(stage, "readmission", root=root)
    patch.undo()
    found = json.loads((root / "reports/readmission/evaluate/report.json").read_text())
    return found | {"minutes": (time.monotonic() - started) / 60}


def test_it_tells_patients_apart_as_well_as_gradient_boosting(report):
    difference = report["baseline"]["difference"]["auroc"]
    assert report["splits"]["test"]["metrics"]["auroc"]["value"] >= 0.67
    assert difference["difference"] >= 0


def test_its_risks_are_calibrated_on_patients_that_it_never_saw(report):
    assert 0.9 <= report["splits"]["test"]["metrics"]["calibration_slope"]["value"] <= 1.1


def test_the_receipt_is_clean_and_counts_who_is_outside_the_question(report):
    receipt = report["receipt"]
    assert receipt["clean"]
    outside = [n for reason, n in receipt["left_out"].items() if "question" in reason]
    assert sorted(outside) == [771, 1652]


def test_what_is_possible_holds_the_truth_of_the_rare_outcome_too(report):
    sets = report["splits"]["test"]["sets"]
    for held in (sets["coverage"], *sets["outcomes"].values()):
        assert held["low"] - 0.01 <= 0.9 <= held["high"] + 0.01, sets
    assert sets["sizes"]["several"]["value"] > 0.5  # and so it must say that it cannot tell most


def test_few_patients_are_turned_away_and_rows_like_nobody_s_are_noticed(report):
    familiar = report["familiar"]
    assert familiar["flagged"]["test"]["value"] <= 0.02
    noticed = {each["change"]: each["flagged"]["value"] for each in familiar["foreign"]}
    assert noticed["numbers five standard deviations out"] >= 0.9
    assert noticed["codes at random"] >= 0.99


def test_it_takes_minutes(report):
    assert report["minutes"] <= _MINUTES_MAX
