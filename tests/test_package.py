"""The bento: what is in it answers for itself, without anything of the training side."""

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from medpipe import certificate, files, keys, workloads
from medpipe.errors import CertificateError
from medpipe.image import foundation
from medpipe.package import package, requirements
from medpipe.paths import Layout
from medpipe.sections import ImageParams

WORKLOAD = "chest_xray"
BASE = foundation.cpu(ImageParams())
ABSENT = ("torch", "lightning_fabric", "mlflow", "prefect", "dvc", "great_expectations", "monai")
SEED = bytes(range(32))
IMPORT_ALL = """
import importlib, sys
from pathlib import Path
for name in sys.argv[3].split(","):
    sys.modules[name] = None
sys.path[:0] = [sys.argv[1], sys.argv[2]]
root = Path(sys.argv[1])
for path in [*root.glob("medpipe/**/*.py"), *root.glob("service/*.py")]:
    name = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
    assert Path(importlib.import_module(name).__file__).is_relative_to(root), name
print("whole")
"""


def promoted(layout):
    """A signed release, as the gate leaves it."""
    layout.champion.mkdir(parents=True)
    for name in certificate.COVERED:
        (layout.champion / name).write_text("{}")
    facts = {name: "" for name in certificate.FACTS} | {"expires": None, "code": {}}
    facts["version"] = "3"
    facts["digests"] = {n: files.sha256(layout.champion / n) for n in certificate.COVERED}
    key = Ed25519PrivateKey.from_private_bytes(SEED)
    certificate.write(certificate.issue(facts, key), layout.champion)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Layout and outcome of one build, into a folder with a blank and an umlaut."""
    if WORKLOAD not in workloads.names():
        pytest.skip(f"{WORKLOAD} is not written yet")
    layout = Layout(tmp_path_factory.mktemp("mein Ärzte projekt"), WORKLOAD)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MEDPIPE_GATE_KEY", SEED.hex())
        patched.delenv("MEDPIPE_TRUSTED_KEYS", raising=False)
        promoted(layout)
        yield layout, package([layout], BASE)


@pytest.fixture
def source(built):
    layout, outcome = built
    name, _, version = outcome["tag"].partition(":")
    return layout.home.bentos / "bentos" / name / version / "src"


def test_the_outcome_names_what_was_built(built):
    layout, outcome = built
    assert outcome["tag"].startswith("medpipe_chest_xray:v3-")
    assert outcome["mib"] < 2
    assert outcome["releases"][WORKLOAD]["certificate"] == files.sha256(
        layout.champion / certificate.FILE
    )


def test_the_release_is_in_it_with_the_key_that_signed_it(source, built):
    folder = source / "releases" / WORKLOAD
    certificate.verify(certificate.read(folder), folder, keys.trusted(None, packaged=folder))
    assert {path.name for path in folder.iterdir()} == {
        *certificate.COVERED,
        certificate.FILE,
        keys.PUBLIC,
    }


def test_no_requirement_is_of_the_training_side_and_all_are_pinned(source):
    listed = (source / "requirements.txt").read_text().split()
    assert all("==" in line for line in listed)
    assert not {line.partition("==")[0] for line in listed} & {*ABSENT, "great-expectations"}
    packed = (source.parent / "env" / "python" / "requirements.txt").read_text()
    assert not [name for name in ABSENT if f"\n{name}=" in packed]


def test_everything_in_it_imports_without_the_training_side(source):
    # -S leaves out .pth files: they would bring the checkout that these tests run from.
    command = [sys.executable, "-S", "-c", IMPORT_ALL, source, sysconfig.get_path("purelib")]
    blocked = ",".join((*ABSENT, "pandas", "pyarrow"))
    environment = {"PATH": os.environ["PATH"], "HOME": str(source)}
    done = subprocess.run(
        [*command, blocked], capture_output=True, text=True, env=environment, check=False
    )
    assert (done.returncode, done.stdout) == (0, "whole\n"), done.stderr


def test_stages_and_tests_stay_at_home(source):
    inside = {path.relative_to(source).as_posix() for path in source.rglob("*")}
    assert "service/service.py" in inside
    assert f"medpipe/workloads/{WORKLOAD}.py" in inside
    unwanted = ("stages", "tracking", "promotion", "learner", "evaluation", "tables")
    assert not [path for path in inside if path.startswith(tuple(f"medpipe/{u}" for u in unwanted))]


def test_telemetry_is_off_in_the_image(source):
    described = (source.parent / "bento.yaml").read_text()
    dockerfile = (source.parent / "env" / "docker" / "Dockerfile").read_text()
    for name in ("BENTOML_DO_NOT_TRACK", "ORT_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
        assert name in described
        assert name in dockerfile


def test_the_image_stands_on_the_named_base_and_gets_no_compiler(source):
    dockerfile = (source.parent / "env" / "docker" / "Dockerfile").read_text()
    assert f"FROM {BASE.image} " in dockerfile
    assert "build-essential" not in dockerfile
    assert BASE.commands[0] in dockerfile


def test_the_bento_for_graphics_cards_has_the_runtime_for_them(built):
    layout, outcome = built
    base = foundation.cuda(ImageParams())
    bento = Path(package([layout], base)["path"])
    dockerfile = (bento / "env" / "docker" / "Dockerfile").read_text()
    named = {line.split("==")[0] for line in (bento / "src/requirements.txt").read_text().split()}
    assert bento.parent.name == "medpipe_chest_xray_gpu"
    assert "FROM docker.io/nvidia/cuda:13" in dockerfile
    assert "--python 3.12" in dockerfile
    assert "onnxruntime-gpu" in named
    assert "onnxruntime" not in named
    assert "medpipe_chest_xray:" in outcome["tag"]


@pytest.mark.slow
def test_the_same_release_gives_the_same_tag(built):
    layout, outcome = built
    assert package([layout], BASE)["tag"] == outcome["tag"]


def test_a_release_that_was_changed_is_not_packaged(tmp_path, monkeypatch):
    monkeypatch.setenv("MEDPIPE_GATE_KEY", SEED.hex())
    layout = Layout(tmp_path, WORKLOAD)
    promoted(layout)
    (layout.champion / "settings.json").write_text(json.dumps({"threshold": 0.0}))
    with pytest.raises(CertificateError, match=r"settings\.json"):
        package([layout], BASE)
    assert not layout.home.bentos.exists()


def test_without_a_champion_it_says_what_to_do(tmp_path):
    with pytest.raises(CertificateError, match="medpipe promote"):
        package([Layout(tmp_path, WORKLOAD)], BASE)


def test_pins_come_from_constraints_and_else_from_what_is_installed(tmp_path):
    (tmp_path / "constraints.txt").write_text("numpy==2.2.0\n# note\nPyYAML==6.0.1\n")
    pinned = dict(line.split("==") for line in requirements(tmp_path))
    assert (pinned["numpy"], pinned["pyyaml"]) == ("2.2.0", "6.0.1")
    assert pinned["cryptography"]
