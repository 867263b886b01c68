"""What a program of ours needs, found without running it."""

import pytest

from medpipe import reach
from medpipe.errors import MedpipeError

FORBIDDEN = frozenset({"torch"})


@pytest.fixture
def source(tmp_path):
    """A small package in which some modules need torch."""
    files = {
        "service/__init__.py": "",
        "service/service.py": "from medpipe import answer\nimport numpy",
        "medpipe/__init__.py": "",
        "medpipe/answer.py": (
            "from typing import TYPE_CHECKING\n"
            "from medpipe.io import image\n"
            "if TYPE_CHECKING:\n    from medpipe import train\n"
            "def draw():\n    from medpipe import heat\n"
            "def model():\n    from medpipe.nn import build\n"
        ),
        "medpipe/heat.py": "",
        "medpipe/io/__init__.py": "",
        "medpipe/io/image.py": "",
        "medpipe/nn/__init__.py": "from medpipe.nn.net import build",
        "medpipe/nn/net.py": "import torch.nn",
        "medpipe/train.py": "",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_what_is_imported_comes_along_and_what_needs_torch_does_not(source):
    found = reach.modules(["service.service"], source, FORBIDDEN)
    assert set(found) == {
        "service",
        "service.service",
        "medpipe",
        "medpipe.answer",
        "medpipe.heat",
        "medpipe.io",
        "medpipe.io.image",
    }
    assert found["medpipe.io"] == source / "medpipe" / "io" / "__init__.py"


def test_a_root_that_needs_torch_at_import_is_refused(source):
    (source / "medpipe" / "heat.py").write_text("from medpipe import nn")
    (source / "medpipe" / "answer.py").write_text("from medpipe import heat")
    with pytest.raises(MedpipeError, match=r"service\.service cannot be packaged.*torch"):
        reach.modules(["service.service"], source, FORBIDDEN)


def test_core_and_extra_do_not_overlap():
    core, extra = reach.distributions(None), reach.distributions("pipeline")
    assert {"bentoml", "onnxruntime", "cryptography"} <= set(core)
    assert {"torch", "mlflow", "prefect", "dvc", "great-expectations"} <= set(extra)
    assert not set(core) & set(extra)


def test_packages_are_known_by_their_distribution():
    assert reach.packages(["scikit-learn", "great-expectations"]) == {
        "sklearn",
        "great_expectations",
    }
