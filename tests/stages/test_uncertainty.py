"""What is possible and what is familiar, from val to report, gate, release and answer."""

import json

import onnx
import pandas as pd
import pytest
from three_numbers import X, answered, rows

from medpipe import config, files
from medpipe.promotion.challenge import challenge

SETS = ("coverage", "least")
SCORES = {
    "binary": {"risk"},
    "multiclass": {"probability_well", "probability_mild", "probability_severe"},
    "multilabel": {"risk_renal", "risk_cardiac", "risk_septic"},
    "regression": {"value"},
}


def test_a_champion_of_an_earlier_medpipe_can_still_be_beaten(done, tmp_path):
    """It knows neither sets nor distances, and the service refuses it: something must follow it."""
    workload, layout, _, report = done
    point = report["operating_point"]
    known = point if "half_width" in point else {k: v for k, v in point.items() if k not in SETS}
    files.write_json(tmp_path / "settings.json", {**known, "serve": {"threads": 1}})
    files.write_json(tmp_path / "state.json", {})
    model = onnx.load(layout.onnx / "fp32.onnx")
    kept = [each for each in model.graph.output if each.name != "distance"]
    del model.graph.output[:]
    model.graph.output.extend(kept)
    onnx.save(model, tmp_path / "model.onnx")
    main = report["objective"]["main"]
    params = config.Params(gate=config.GateParams(margins={main: 0.1}))
    found = challenge(workload, params, layout, candidate=report, champion=tmp_path)
    assert found.comparison[main]["difference"] == pytest.approx(0, abs=1e-6)


def test_what_is_possible_and_what_is_familiar_is_in_report_settings_and_card(done):
    _, layout, _, report = done
    settings = json.loads((layout.champion / "settings.json").read_text(encoding="utf-8"))
    card = json.loads((layout.champion / "card.json").read_text(encoding="utf-8"))
    familiar = report["familiar"]
    assert settings["familiar"] == {name: familiar[name] for name in ("distance", "share")}
    assert settings["coverage"] == report["operating_point"]["coverage"] == 0.9
    assert card["splits"]["test"]["sets"] == report["splits"]["test"]["sets"]
    page = (layout.evaluation / "report.html").read_text(encoding="utf-8")
    assert all(
        f"<h2>{h}</h2>" in page for h in ("When it cannot tell", "Which inputs it is not for")
    )
    (row,) = familiar["foreign"]
    assert row["auroc"]["value"] > 0.9, row  # numbers a hundred times too large
    assert f'<th scope="row">{row["change"]}</th>' in page


def test_the_reference_of_what_is_watched_is_in_report_and_settings(done):
    _, layout, _, report = done
    settings = json.loads((layout.champion / "settings.json").read_text(encoding="utf-8"))
    watched = report["watched"]
    assert settings["watched"] == watched
    patients = sum(report["splits"][split]["examples"] for split in ("val", "test"))
    assert watched["examples"] == patients
    assert [f["name"] for f in watched["facts"] if f["part"] == "input"] == [*X, "sex"]
    said = {f["name"] for f in watched["facts"] if f["part"] == "score"}
    assert said == {"distance", *SCORES[report["objective"]["name"]]}
    assert sum(f["part"] == "feature" for f in watched["facts"]) == 16
    for fact in watched["facts"]:
        assert len(fact["counts"]) == 1 + len(fact["edges"]) + len(fact["words"])
        assert sum(fact["counts"]) + fact["missing"] == patients


def test_the_service_flags_whom_the_evaluation_flagged(done, client):
    workload, layout, _, report = done
    scores = pd.read_parquet(layout.evaluation / "scores.parquet").query("split == 'test'")
    by_example = {row["example"]: row for row in rows(workload.objective)}
    beyond = scores["distance"] > report["familiar"]["distance"]
    some = pd.concat([scores[beyond].head(3), scores[~beyond].head(3)])
    for example, flagged in zip(some["example"], beyond[some.index], strict=True):
        row = by_example[example]
        assert answered(workload, client, **{n: row[n] for n in X})["unfamiliar"] is bool(flagged)
    far = answered(workload, client, age=50.0, pulse=-50.0)
    assert far["unfamiliar"]
    assert far["warnings"][0].startswith("this input is unlike the training data")
