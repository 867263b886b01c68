"""What runs inside a started image, with Python's own library alone; its source is sent there.

python -c SOURCE ready LIMIT_S     seconds from the container's start to /readyz
python -c SOURCE ask PATH TYPE     answers to the payloads on stdin, base64, one a line
python -c SOURCE inventory         what is installed, and the digests of the releases
"""

import base64
import ctypes
import hashlib
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from importlib import metadata
from pathlib import Path
from typing import Any

SERVICE = "http://127.0.0.1:3000"
BENTO = Path("/home/bentoml/bento/src")
COMPILERS = ("cc", "gcc", "g++", "clang", "make", "ld", "git")
PROVIDER = "libonnxruntime_providers_cuda.so"
OPENED_LATER = (
    *("libcufft.so.12", "libnvrtc.so.13", "libcudnn.so.9"),
    *("libcudnn_graph.so.9", "libcudnn_ops.so.9", "libcudnn_cnn.so.9", "libcudnn_adv.so.9"),
    *("libcudnn_heuristic.so.9", "libcudnn_engines_precompiled.so.9"),
    "libcudnn_engines_runtime_compiled.so.9",
)
"""What ONNX Runtime 1.28 for CUDA 13, and cuDNN 9, open by name once they want it: that the
provider itself can be opened says nothing of these."""


def ready(limit_s: str) -> float:
    """Seconds from the start of the container's first process until it may be asked."""
    while (since := _since_start()) < float(limit_s):
        try:
            with urllib.request.urlopen(f"{SERVICE}/readyz", timeout=5):
                return round(_since_start(), 2)
        except urllib.error.HTTPError as error:
            said = error.read().decode()
        except OSError as error:
            said = str(error)
        time.sleep(0.05)
    sys.exit(f"not ready {since:.0f} s after its start: {said}")


def ask(path: str, media_type: str) -> list[Any]:
    """The answers to the payloads on stdin, in their order."""
    answers = []
    for line in sys.stdin:
        request = urllib.request.Request(
            SERVICE + path, base64.b64decode(line), {"Content-Type": media_type}
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                answers.append(json.load(response))
        except urllib.error.HTTPError as error:
            sys.exit(f"payload {len(answers) + 1}: {error.code} {error.read().decode()}")
    return answers


def inventory() -> dict[str, Any]:
    """Packages of Python and of the system, the releases' digests, and who runs all this."""
    releases = sorted((BENTO / "releases").iterdir())
    return {
        "python": platform.python_version(),
        "packages": sorted(_packages(), key=lambda found: str(found["name"]).lower()),
        "system": _system(),
        "os": platform.freedesktop_os_release(),
        "releases": {
            release.name: {
                path.name: hashlib.sha256(path.read_bytes()).hexdigest()
                for path in sorted(release.iterdir())
            }
            for release in releases
        },
        "compilers": [name for name in COMPILERS if shutil.which(name)],
        "uid": os.getuid(),
        "providers": _providers(releases[0] / "model.onnx"),
        "libraries": _libraries(_of_onnxruntime(PROVIDER)),
    }


def _since_start() -> float:
    """Process 1 began so many clock ticks after the machine did: proc(5)."""
    started = Path("/proc/1/stat").read_text().rpartition(")")[2].split()[19]
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    return now - int(started) / os.sysconf("SC_CLK_TCK")


def _packages() -> list[dict[str, str | None]]:
    found = []
    for each in metadata.distributions():
        # A page of text in field License is no name of one.
        told = each.metadata.json
        said = told.get("license_expression") or told.get("license")
        name = str(said) if said and "\n" not in said else None
        found.append({"name": each.metadata["Name"], "version": each.version, "license": name})
    return found


def _system() -> list[dict[str, str]]:
    """Packages of Debian and what comes from it; none known on other systems."""
    if not shutil.which("dpkg-query"):
        return []
    form = "${Package}\\t${Version}\\t${Architecture}\\n"
    said = subprocess.run(["dpkg-query", "-W", "-f", form], capture_output=True, text=True)
    fields = (line.split("\t") for line in said.stdout.splitlines())
    return [{"name": name, "version": version, "arch": arch} for name, version, arch in fields]


def _providers(model: Path) -> list[str]:
    """What ONNX Runtime uses for the model here, in its order of preference."""
    sys.path.insert(0, str(BENTO))
    from medpipe.serving.session import Session

    return list(Session(model).providers)


def _of_onnxruntime(name: str) -> Path:
    """Where ONNX Runtime has its library `name`, if it has it."""
    found = importlib.util.find_spec("onnxruntime")
    return Path(str(found and found.origin)).parent / "capi" / name


def _libraries(provider: Path) -> dict[str, str]:
    """What ONNX Runtime opens for a graphics card, each with why it does not open, else "".

    Nothing where there is no `provider`: ONNX Runtime is the one for processors.
    """
    if not provider.is_file():
        return {}
    said = subprocess.run(["ldd", str(provider)], capture_output=True, text=True, check=True)
    needed = {line.split()[0] for line in said.stdout.splitlines() if " => " in line}
    return {name: _why_not(name) for name in sorted(needed | {*OPENED_LATER})}


def _why_not(library: str) -> str:
    """What keeps `library` from being opened, else ""."""
    try:
        ctypes.CDLL(library)
    except OSError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    chosen = {"ready": ready, "ask": ask, "inventory": inventory}[sys.argv[1]]
    print(json.dumps(chosen(*sys.argv[2:])))  # type: ignore[operator]
