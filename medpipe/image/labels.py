"""What a hospital's IT can know of an image without starting it, and how it asks one that runs.

Nothing here names a person: neither who approved the release, nor who built it, nor where.

References
----------
OCI image specification, "Annotations"; Docker's HEALTHCHECK, which Podman follows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from medpipe.serving.release import MODEL, Release

PYTHON = "/app/.venv/bin/python"
"""Where BentoML puts it."""
PORT = 3000
HEALTHY = (
    "import os, urllib.request as web; "
    f"port = os.environ.get('BENTOML_PORT', '{PORT}'); "
    "print(web.urlopen(f'http://127.0.0.1:{port}/readyz', timeout=8).status)"
)
"""Program that fails unless the service is ready; an expired certificate is not."""
_OPTIONS = "--interval=30s --timeout=10s --start-period=30s --retries=3"


def of(name: str, releases: Sequence[Release], *, on_card: bool = False) -> dict[str, str]:
    """The labels of image `name`; OCI's own names where it has one.

    Parameters
    ----------
    on_card : whether it is checked with a graphics card, and gets no name without one
    """
    title, _, version = name.partition(":")
    commits = {str(release.certificate["commit"]) for release in releases}
    found = {
        "org.opencontainers.image.title": title,
        "org.opencontainers.image.version": version,
        "org.opencontainers.image.revision": ", ".join(sorted(commits)),
        "org.opencontainers.image.created": datetime.now(UTC).isoformat(timespec="seconds"),
        "medpipe.checked_on": "graphics card" if on_card else "processor",
    }
    for release in releases:
        signed, workload = release.certificate, release.workload.name
        found |= {
            f"medpipe.{workload}.version": str(signed["version"]),
            f"medpipe.{workload}.model.sha256": signed["digests"][MODEL],
            f"medpipe.{workload}.certificate.sha256": release.certificate_sha256,
            f"medpipe.{workload}.expires": str(signed["expires"] or "never"),
        }
    return found


def containerfile(image: str, labels: Mapping[str, str]) -> str:
    """What puts `labels` and the health check onto `image`, for neither has BentoML a place."""
    command = json.dumps([PYTHON, "-c", HEALTHY])
    lines = [f"FROM {image}", f"HEALTHCHECK {_OPTIONS} CMD {command}"]
    lines += [f"LABEL {json.dumps(key)}={json.dumps(value)}" for key, value in labels.items()]
    return "\n".join(lines) + "\n"
