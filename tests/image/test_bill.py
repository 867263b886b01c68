"""The bill of materials, held against CycloneDX's own schema."""

from __future__ import annotations

import json

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from medpipe.image import inside, sbom

DIGEST = "ab" * 32


@pytest.fixture(scope="module")
def found():
    """What `inside` finds in the environment of these tests, as if it were an image."""
    return {
        "python": "3.11.7",
        "packages": inside._packages(),
        "system": inside._system(),
        "os": {"ID": "debian", "VERSION_ID": "12"},
        "releases": {"chest_xray": {"model.onnx": DIGEST, "card.json": DIGEST}},
    }


@pytest.fixture(scope="module")
def bill(found):
    return sbom.bill("medpipe_chest_xray:v3-abc", found, {"a": "b"}, image_id=DIGEST)


def test_it_is_cyclonedx_by_its_strict_schema(bill):
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(bill)) is None


def test_every_package_is_in_it_with_version_and_purl(bill, found):
    by_purl = {each.get("purl"): each["version"] for each in bill["components"]}
    import onnxruntime

    assert by_purl[f"pkg:pypi/onnxruntime@{onnxruntime.__version__}"] == onnxruntime.__version__
    names = {each["name"].lower() for each in found["packages"]}
    assert names <= {each["name"].lower() for each in bill["components"]}


def test_the_model_is_a_part_with_its_digest(bill):
    (model,) = [c for c in bill["components"] if c["type"] == "machine-learning-model"]
    assert model["name"] == "chest_xray/model.onnx"
    assert model["hashes"] == [{"alg": "SHA-256", "content": DIGEST}]


def test_it_says_of_which_image_it_is(bill):
    image = bill["metadata"]["component"]
    assert (image["name"], image["version"]) == ("medpipe_chest_xray", "v3-abc")
    assert image["hashes"] == [{"alg": "SHA-256", "content": DIGEST}]
    assert image["properties"] == [{"name": "a", "value": "b"}]
