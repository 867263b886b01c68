"""Promote, roll back and status, on a registry and a release folder that are real."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from medpipe import certificate, files, keys, tracking
from medpipe.errors import CertificateError, MissingStageError, ParamsError, TrackingError
from medpipe.promotion import candidate, change, release

GOOD, BETTER, NOISE = (4.0, 0.3), (4.0, 0.0), (0.0, 1.0)
"""Weights of level and noise: AUROC falls with the share of noise."""


def test_the_first_good_model_becomes_champion_and_its_release_verifies(project):
    project.train(*GOOD)
    outcome = project.promote()
    assert (outcome["allowed"], outcome["version"], outcome["champion"]) == (True, "1", "1")
    folder = project.layout.champion
    names = {*certificate.COVERED, certificate.FILE}
    assert {path.name for path in folder.iterdir()} == names
    certificate.verify(certificate.read(folder), folder, keys.trusted(project.layout.home))
    assert files.sha256(folder / "model.onnx") == files.sha256(project.layout.onnx / "fp32.onnx")
    settings = json.loads((folder / "settings.json").read_text())
    assert (settings["version"], settings["threshold"], settings["workload"]) == ("1", 0.5, "level")
    assert project.status()["fits"]


def test_a_bad_model_is_refused_with_reasons_and_nothing_is_released(project):
    project.train(*NOISE)
    outcome = project.promote()
    assert not outcome["allowed"]
    assert "AUROC's lower bound" in outcome["reasons"][0]
    assert outcome["champion"] is None
    assert not project.layout.champion.exists()
    assert tracking.alias(project.layout, "candidate") == "1"
    assert tracking.version_tags(project.layout, "1")["medpipe.verdict"] == "refused"
    assert project.status()["champion"] is None


def test_the_verdict_and_the_certificate_are_in_the_run(project):
    project.train(*GOOD)
    project.promote()
    run = tracking.ensure_run(project.layout)
    params, metrics = tracking.measured(project.layout, run)
    assert metrics["gate/allowed"] == 1.0
    assert (params["train.epochs"], metrics["loss"]) == ("1", 0.25)
    kept = {path.name for path in project.layout.home.tracking_artifacts.rglob("version-1/*")}
    assert kept == {"verdict.json", "certificate.json"}


def test_a_better_model_takes_over_and_the_old_one_is_previous(project):
    project.train(*GOOD)
    project.promote()
    project.train(*BETTER)
    outcome = project.promote()
    assert (outcome["allowed"], outcome["champion"]) == (True, "2")
    assert outcome["comparison"]["auroc"]["difference"] > 0
    status = project.status()
    assert (status["champion"], status["previous"], status["sequence"]) == ("2", "1", 2)
    assert status["fits"]


def test_a_worse_model_that_meets_the_floors_is_refused_against_the_champion(project):
    project.train(*BETTER)
    project.promote()
    project.train(4.0, 0.6)
    outcome = project.promote()
    assert not outcome["allowed"]
    failed = [check["name"] for check in outcome["checks"] if not check["passed"]]
    assert failed == ["auroc against the champion"]
    assert project.status()["champion"] == "1"


def test_the_champion_is_scored_with_its_own_encoding(project):
    project.train(*BETTER, middle=0.2)
    project.promote()
    project.train(*BETTER, middle=0.9)  # same order of patients: no difference in AUROC
    comparison = project.promote()["comparison"]
    assert comparison["auroc"]["difference"] == pytest.approx(0.0, abs=1e-12)


def test_the_same_candidate_again_changes_nothing(project):
    project.train(*GOOD)
    first = project.promote()
    project.train(*GOOD, run="1" * 32)  # another run, the same model
    second = project.promote()
    assert second["summary"] == "already champion; nothing changed"
    assert (second["version"], second["certificate"]) == (first["version"], first["certificate"])
    assert project.status()["sequence"] == 1


def test_a_refused_candidate_keeps_its_version(project):
    project.train(*NOISE)
    assert project.promote()["version"] == project.promote()["version"] == "1"


def test_another_threshold_is_another_version(project):
    project.train(*GOOD)
    project.promote()
    project.train(*GOOD, threshold=0.4)
    assert project.promote()["version"] == "2"


def test_a_dry_run_writes_no_decision(project):
    project.train(*GOOD)
    outcome = project.promote(dry_run=True)
    assert (outcome["allowed"], outcome["version"]) == (True, None)
    assert outcome["summary"] == "would be allowed"
    assert tracking.alias(project.layout, "candidate") is None
    assert not project.layout.champion.exists()


def test_an_alias_moved_by_hand_is_noticed_does_nothing_and_is_set_right(project):
    project.train(*BETTER)
    project.promote()
    project.train(*NOISE)
    project.promote()
    tracking.set_alias(project.layout, "champion", "2")
    assert "alias champion points at 2" in project.status()["problems"][0]
    project.train(4.0, 0.6)
    outcome = project.promote()  # would pass against the noise of version 2
    assert not outcome["allowed"]
    assert "set right by the signed record" in outcome["notes"][0]
    assert tracking.alias(project.layout, "champion") == "1"


def test_an_exchanged_release_folder_is_noticed_and_set_right(project):
    project.train(*GOOD)
    project.promote()
    (project.layout.champion / "settings.json").write_text("{}")
    assert "settings.json" in project.status()["problems"][0]
    project.promote()
    assert project.status()["fits"]


def test_rollback_restores_the_previous_release(project):
    project.train(*GOOD)
    first = project.promote()
    project.train(*BETTER)
    project.promote()
    outcome = project.rollback()
    assert outcome["summary"] == "version 1 is champion again; version 2 is withdrawn"
    assert outcome["certificate"] == first["certificate"]
    status = project.status()
    assert (status["champion"], status["previous"], status["fits"]) == ("1", None, True)
    assert (status["approver"], status["reason"]) == ("Dr. B", "too many alarms")


def test_what_was_rolled_back_comes_back_only_by_a_person(project):
    project.train(*GOOD)
    project.promote()
    project.train(*BETTER)
    project.promote()
    project.rollback()
    refused = project.promote()
    assert refused["reasons"] == ["Version 2 was rolled back; only a person may promote it again"]
    allowed = project.promote(approver="Dr. C")
    assert (allowed["allowed"], allowed["champion"]) == (True, "2")
    assert project.status()["withdrawn"] == []


def test_rollback_without_anything_to_go_back_to_says_so(project):
    with pytest.raises(TrackingError, match="was ever promoted"):
        project.rollback()
    project.train(*GOOD)
    project.promote()
    with pytest.raises(TrackingError, match="no previous champion"):
        project.rollback()
    with pytest.raises(ParamsError, match="reason"):
        project.rollback(reason=" ")


def test_rollback_refuses_a_previous_release_that_was_tampered_with(project):
    project.train(*GOOD)
    project.promote()
    project.train(*BETTER)
    project.promote()
    for path in project.layout.home.tracking_artifacts.rglob("model.onnx"):
        path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(CertificateError, match="version 1 is not what the gate allowed"):
        project.rollback()
    assert project.status()["champion"] == "2"


def test_a_forged_record_is_not_taken_for_none(project):
    project.train(*GOOD)
    project.promote()
    project.layout.record.unlink()
    forged = json.loads(tracking.model_tag(project.layout, "medpipe.promotion"))
    forged["champion"]["version"] = "7"
    tracking.set_model_tag(project.layout, "medpipe.promotion", json.dumps(forged))
    project.train(*BETTER)
    with pytest.raises(CertificateError, match="changed after signing"):
        project.promote()
    assert not project.status()["fits"]


def test_an_older_record_put_back_in_the_registry_is_noticed(project):
    project.train(*GOOD)
    project.promote()
    old = tracking.model_tag(project.layout, "medpipe.promotion")
    project.train(*BETTER)
    project.promote()
    tracking.set_model_tag(project.layout, "medpipe.promotion", old)
    status = project.status()
    assert status["champion"] == "2"
    assert "different promotion records, number 1 and 2" in status["problems"][0]
    project.promote()
    assert project.status()["fits"]


def test_a_lost_release_folder_and_record_copy_come_back_from_the_registry(project):
    project.train(*GOOD)
    project.promote()
    project.layout.record.unlink()
    for path in project.layout.champion.iterdir():
        path.unlink()
    project.layout.champion.rmdir()
    assert len(project.status()["problems"]) == 2
    project.promote()
    assert project.status()["fits"]


def test_another_registry_is_not_taken_for_a_new_beginning(
    project, empty_store, tmp_path, monkeypatch
):
    project.train(*GOOD)
    project.promote()
    (tmp_path / "other.db").write_bytes(empty_store.read_bytes())
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/other.db")
    project.train(*BETTER)
    with pytest.raises(TrackingError, match="no version 1 of level"):
        project.promote()


def test_a_report_about_another_artefact_is_refused(project):
    project.train(*GOOD)
    (project.layout.onnx / "fp32.onnx").write_bytes(b"retrained")
    with pytest.raises(MissingStageError, match="medpipe stage evaluate level"):
        project.promote()


def test_a_champion_that_raw_no_longer_covers_is_not_compared_on_other_patients(project):
    project.train(*GOOD)
    project.promote()
    project.train(*BETTER)
    rows = project.layout.ready / "test" / "rows.parquet"
    project.frame.assign(example=lambda each: "x" + each["example"]).to_parquet(rows)
    with pytest.raises(MissingStageError, match="60 of the 60 test examples"):
        project.promote()


def test_an_expired_certificate_is_renewed_by_the_gate_for_the_same_version(project, monkeypatch):
    project.train(*GOOD)
    first = project.promote()
    later = datetime.now(UTC) + timedelta(days=366)
    monkeypatch.setattr(change, "now", lambda: later.replace(microsecond=0))
    assert "expired on" in project.status()["problems"][0]
    outcome = project.promote()
    assert (outcome["allowed"], outcome["champion"]) == (True, "1")
    assert outcome["certificate"] != first["certificate"]
    status = project.status()
    assert (status["fits"], status["previous"], status["sequence"]) == (True, None, 2)


def test_code_that_was_not_measured_is_told_by_status(project, monkeypatch, tmp_path):
    reader = tmp_path / "reader.py"
    reader.write_text("1")
    monkeypatch.setattr(release, "SOURCE", tmp_path)
    known = {"reader.py": files.sha256(reader)}
    monkeypatch.setattr(candidate, "encoder", lambda workload: known)
    project.train(*GOOD)
    project.promote()
    assert project.status()["fits"]
    reader.write_text("2")
    assert "reader.py is not the code" in project.status()["problems"][0]
