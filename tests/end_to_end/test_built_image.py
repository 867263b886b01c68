"""An image, built, started, asked and kept or removed: with the builder that is really here.

Skips where no builder is, or where the base image is neither here nor to be had; the base must hold
this Python. The image for graphics cards is built where MEDPIPE_TEST_CUDA_BASE names a base for it
that is on this machine, and started without a card.
"""

from __future__ import annotations

import contextlib
import json
import os

import pandas as pd
import pytest
import quick_project
from quick_project import WORKLOAD

from medpipe import certificate
from medpipe.errors import MedpipeError
from medpipe.image import engine, foundation, labels
from medpipe.paths import Layout
from medpipe.sections import ImageParams

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


@pytest.fixture(scope="module")
def builder():
    """What builds here."""
    try:
        return engine.find()
    except MedpipeError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def project(builder, trained, tmp_path_factory):
    """A project with a champion."""
    root = quick_project.copy_of(trained, tmp_path_factory.mktemp("image") / "Röntgen")
    assert quick_project.medpipe("promote", WORKLOAD, cwd=root)["allowed"]
    return root


@pytest.fixture(scope="module")
def made(builder, project):
    """What `medpipe image` printed."""
    try:
        builder.fetch(foundation.cpu(ImageParams()).image)
    except MedpipeError as error:
        pytest.skip(str(error))
    found = quick_project.medpipe("image", WORKLOAD, cwd=project)
    yield found
    builder.remove(found["image"])


@pytest.fixture(scope="module")
def cuda_base(builder, project):
    """A base for graphics cards that is here, and that `project` is built on."""
    name = os.environ.get("MEDPIPE_TEST_CUDA_BASE")
    if not name or not builder.has(name):
        pytest.skip(
            f"MEDPIPE_TEST_CUDA_BASE names no base image on this machine: {name or 'unset'}"
        )
    quick_project.set_params(project, {"image": {"cuda_base": name}})
    yield name
    quick_project.set_params(project, {})


@pytest.fixture(scope="module")
def made_for_cards(builder, cuda_base, project):
    """What `medpipe image --gpu --without-card` printed."""
    found = quick_project.medpipe("image", WORKLOAD, "--gpu", "--without-card", cwd=project)
    yield found
    builder.remove(found["image"])


def test_it_answers_as_it_was_measured_and_is_ready_soon(made):
    assert made["examples"] >= 20
    assert made["largest_difference"] < 1e-5  # the same arithmetic, on the same machine
    assert 0 < made["start_s"] < 30
    assert 50 < made["mib"] < 2000


def test_it_runs_as_nobody_special_and_brings_no_compiler(made):
    assert made["uid"] not in (0, None)
    assert made["compilers"] == []


def test_only_what_was_checked_has_a_name(builder, made):
    assert builder.has(made["image"])
    assert not builder.has(made["image"] + "-unchecked")


def test_labels_and_health_check_are_in_the_image(builder, made, project):
    config = builder.inspect(made["image"])["Config"]
    signed = certificate.read(Layout(project, WORKLOAD).champion)
    assert config["Labels"][f"medpipe.{WORKLOAD}.model.sha256"] == signed["digests"]["model.onnx"]
    assert config["Labels"]["org.opencontainers.image.revision"] == signed["commit"]
    assert labels.HEALTHY in json.dumps(builder.inspect(made["image"]).get("Healthcheck", config))


def test_the_bill_names_what_is_in_the_image_and_nothing_of_the_training_side(made):
    with open(made["sbom"], encoding="utf-8") as file:
        bill = json.load(file)
    named = {part["name"].lower() for part in bill["components"]}
    assert {"onnxruntime", "bentoml", "numpy", f"{WORKLOAD}/model.onnx"} <= named
    assert not {"torch", "mlflow", "prefect", "dvc", "monai", "pandas"} & named
    assert bill["metadata"]["component"]["hashes"][0]["content"] in made["id"]


def test_an_image_that_answers_otherwise_is_removed(builder, made, project):
    scores = Layout(project, WORKLOAD).evaluation / "scores.parquet"
    kept = scores.read_bytes()
    table = pd.read_parquet(scores)
    table.assign(logit=table["logit"] + 0.1).to_parquet(scores, index=False)
    try:
        builder.remove(made["image"])
        done = quick_project.run("medpipe", "image", WORKLOAD, cwd=project, status=1)
    finally:
        scores.write_bytes(kept)
    assert "otherwise than was recorded" in done.stderr
    assert "the image was removed" in done.stderr
    assert not builder.has(made["image"])
    assert not builder.has(made["image"] + "-unchecked")


def test_an_image_for_cards_answers_by_the_processor_as_it_was_measured(made_for_cards):
    assert made_for_cards["image"].startswith(f"medpipe_{WORKLOAD}_gpu:")
    assert made_for_cards["providers"] == ["CPUExecutionProvider"]
    assert made_for_cards["examples"] >= 20
    assert made_for_cards["largest_difference"] < 1e-5


def test_an_image_for_cards_holds_what_a_card_needs_and_says_that_none_was_there(made_for_cards):
    opened = {name.partition(".")[0] for name in made_for_cards["libraries"]}
    assert {"libcudart", "libcublas", "libcublasLt", "libcurand", "libcufft", "libcudnn"} <= opened
    assert made_for_cards["on_card"] is False
    assert made_for_cards["labels"]["medpipe.checked_on"] == "processor"
    assert made_for_cards["compilers"] == []


def test_without_a_card_nothing_is_built_for_one(builder, cuda_base, project):
    with contextlib.suppress(MedpipeError):
        builder.require_card(cuda_base)
        pytest.skip("a graphics card is here")
    done = quick_project.run("medpipe", "image", WORKLOAD, "--gpu", cwd=project, status=1)
    assert f"no graphics card is to be seen from inside {cuda_base}" in done.stderr
    assert "--gpu --without-card" in done.stderr
    assert "building with" not in done.stderr


@pytest.mark.usefixtures("builder")
def test_a_base_that_is_nowhere_is_told_before_anything_is_built(project):
    quick_project.set_params(project, {"image": {"base": "localhost/not-here:1"}})
    done = quick_project.run("medpipe", "image", WORKLOAD, cwd=project, status=1)
    quick_project.set_params(project, {})
    assert "localhost/not-here:1 is not on this machine and cannot be fetched" in done.stderr
    assert "image.base" in done.stderr
