"""The bill of materials of an image: what is really in it, as it was found there.

References
----------
CycloneDX 1.6 (ECMA-424); package URLs: https://github.com/package-url/purl-spec
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

MODEL = "model.onnx"


def bill(image: str, found: Mapping[str, Any], labels: Mapping[str, str], *, image_id: str) -> Any:
    """CycloneDX of `image`, as JSON.

    Parameters
    ----------
    found : what `inside.inventory` gives
    labels : of the image
    image_id : its SHA-256, hexadecimal
    """
    name, _, version = image.rpartition(":")
    root = Component(
        type=ComponentType.CONTAINER,
        name=name,
        version=version,
        bom_ref="image",
        hashes=[_sha256(image_id)],
        properties=[Property(name=key, value=value) for key, value in labels.items()],
    )
    parts = [*_releases(found, version), *_packages(found), *_system(found)]
    bom = Bom(components=parts)
    bom.metadata.component = root
    bom.metadata.timestamp = datetime.now(UTC)
    bom.register_dependency(root, parts)
    written = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string()
    return json.loads(written)


def _releases(found: Mapping[str, Any], version: str) -> Iterator[Component]:
    """Models and papers, by their digests."""
    for workload, digests in found["releases"].items():
        for name, digest in digests.items():
            kind = ComponentType.MACHINE_LEARNING_MODEL if name == MODEL else ComponentType.FILE
            yield Component(
                type=kind,
                name=f"{workload}/{name}",
                version=version,
                bom_ref=f"releases/{workload}/{name}",
                hashes=[_sha256(digest)],
            )


def _packages(found: Mapping[str, Any]) -> Iterator[Component]:
    licences = LicenseFactory()
    python = PackageURL("generic", name="python", version=found["python"])
    yield Component(
        type=ComponentType.PLATFORM, name="python", version=found["python"], purl=python
    )
    for each in found["packages"]:
        purl = PackageURL("pypi", name=each["name"], version=each["version"])
        stated = [licences.make_from_string(each["license"])] if each["license"] else []
        yield Component(
            name=each["name"],
            version=each["version"],
            purl=purl,
            bom_ref=purl.to_string(),
            licenses=stated,
        )


def _system(found: Mapping[str, Any]) -> Iterator[Component]:
    kind = found["os"]
    named = kind.get("ID", "linux")
    yield Component(
        type=ComponentType.OPERATING_SYSTEM,
        name=named,
        version=kind.get("VERSION_ID"),
        bom_ref="os",
    )
    for each in found["system"]:
        told = {"arch": each["arch"], "distro": f"{named}-{kind.get('VERSION_ID', '')}"}
        purl = PackageURL("deb", named, each["name"], each["version"], told)
        yield Component(
            name=each["name"], version=each["version"], purl=purl, bom_ref=purl.to_string()
        )


def _sha256(digest: str) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=digest)
