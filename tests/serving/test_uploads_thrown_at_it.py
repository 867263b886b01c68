"""Anything at all, uploaded to a real ``bentoml serve``: no worker dies of it, and none has a 5xx.

Files are cut at the end of each of their parts, given another's beginning, packed into archives,
made to declare sizes that they do not have, and changed at random.
"""

import gzip
import io
import os
import re
import zipfile
from pathlib import Path

import bombs
import cv2
import httpx
import numpy as np
import psutil
import pydicom
import pytest
import running
from brightness_release import write_release
from dicom_bytes import dicom_bytes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless, RLELossless

pytestmark = pytest.mark.slow

REAL = Path(os.environ.get("MEDPIPE_REAL_DATA", "../shared/data")) / "dicom_transfer_syntaxes"
LIMITS = {"max_side_px": 512, "min_side_px": 4, "max_pixels": 4_000_000}
SERVE = {"max_upload_mib": 4, "max_pixels": 4_000_000, "batch_max": 4, "threads": 1}
REFUSED = (400, 406, 413, 415, 422)
CUTS = 60
"""Of one file at most, evenly over its parts."""
PNG = b"\x89PNG\r\n\x1a\n"


RAMP = np.tile(np.arange(64, dtype=np.uint8) * 4, (64, 1))


def _picture(kind):
    return cv2.imencode(kind, RAMP)[1].tobytes()


def _film(syntax, kind):
    return bombs.frame(syntax, _picture(kind), side=64, bits=8)


MADE = {
    "png": _picture(".png"),
    "jpeg": _picture(".jpg"),
    "dicom": dicom_bytes(RAMP.astype(np.uint16)),
    "dicom, jpeg": _film(JPEGBaseline8Bit, ".jpg"),
    "dicom, jpeg 2000": _film(JPEG2000Lossless, ".jp2"),
    "dicom, not jpeg-ls": _film(JPEGLSLossless, ".jpg"),
    "dicom, not rle": _film(RLELossless, ".png"),
}
FILES = MADE | {
    path.name: content
    for path in sorted(REAL.glob("*"))
    if (content := path.read_bytes())[128:132] == b"DICM"
}
BEGINNINGS = [PNG, b"\xff\xd8\xff\xe0", bytes(128) + b"DICM", b"PK\x03\x04", b"%PDF-1.7", b"GIF89a"]


@pytest.fixture(scope="module")
def client(tmp_path_factory, pytestconfig):
    """Of a service whose processes, each of them, live until the last test has ended."""
    folder = tmp_path_factory.mktemp("served")
    write_release(
        folder / "releases" / "chest_xray", workload="chest_xray", limits=LIMITS, serve=SERVE
    )
    with (
        running.serve(pytestconfig.rootpath, folder) as address,
        httpx.Client(base_url=address, timeout=60) as client,
    ):
        before = {each.pid for each in psutil.Process().children(recursive=True)}
        yield client
        assert before <= {each.pid for each in psutil.Process().children(recursive=True)}
        assert client.post("/v1/chest_xray", files={"file": MADE["png"]}).status_code == 200
        assert "unexpected" not in (folder / "log").read_text()


def throw(client, content, *, accept="*/*", explain=False):
    """Upload `content` in a form; what comes back is an answer, or a refusal that says why."""
    response = client.post(
        "/v1/chest_xray",
        files={"file": content},
        params={"explain": explain},
        headers={"Accept": accept},
    )
    if response.status_code != 200:
        assert response.status_code in REFUSED, response.text
        assert response.json()["error"]
    return response


def ends(content):
    """Where the parts of a file end: DICOM elements, PNG chunks, JPEG segments."""
    if content.startswith(PNG):
        found = [match.start() + 4 for match in re.finditer(rb"IHDR|IDAT|IEND", content)]
    elif content.startswith(b"\xff\xd8"):
        found = [match.start() for match in re.finditer(rb"\xff[\xc0-\xfe]", content)]
    else:
        film = pydicom.dcmread(io.BytesIO(content), force=True)
        elements = [*film.file_meta, *map(film.get_item, film.keys())]
        found = [getattr(e, "value_tell", None) or getattr(e, "file_tell", 0) for e in elements]
        found += [content.find(b"DICM") + 4, len(content) - 1]
    every = sorted({at + step for at in found for step in (-1, 0, 1) if at + step > 0})
    return every[:: max(1, len(every) // CUTS)]


@pytest.mark.parametrize("name", ["png", "jpeg", "dicom", "dicom, jpeg", "dicom, jpeg 2000"])
def test_what_is_changed_below_is_answered_as_it_is(client, name):
    assert throw(client, MADE[name]).status_code == 200


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_cut_at_any_of_its_parts(client, name):
    for end in ends(FILES[name]):
        throw(client, FILES[name][:end])


@pytest.mark.parametrize("beginning", BEGINNINGS)
@pytest.mark.parametrize("name", MADE)
def test_a_file_that_begins_as_another_kind_does(client, name, beginning):
    throw(client, beginning + MADE[name])
    throw(client, beginning + MADE[name][len(beginning) :])
    throw(client, beginning)


def zipped(content, depth):
    for _ in range(depth):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("film.dcm", content)
        content = packed.getvalue()
    return content


@pytest.mark.parametrize("depth", [1, 2, 9])
@pytest.mark.parametrize("name", ["png", "dicom"])
def test_an_archive_is_refused_and_never_opened(client, name, depth):
    assert throw(client, zipped(MADE[name], depth)).status_code in (400, 415)
    assert throw(client, gzip.compress(MADE[name])).status_code in (400, 415)
    hidden = MADE[name] + zipped(MADE[name], depth)  # a file that is an archive as well
    throw(client, hidden)


@pytest.mark.parametrize("rows", [0, 1, 3, 65, 65535])
@pytest.mark.parametrize("frames", ["1", "0", "-1", "2147483647", "many"])
def test_a_film_that_declares_a_size_which_it_does_not_have(client, rows, frames):
    for name in ("dicom", "dicom, jpeg", "dicom, jpeg 2000"):
        film = pydicom.dcmread(io.BytesIO(MADE[name]))
        film.Rows = film.Columns = rows
        film.add_new("NumberOfFrames", "LO", frames)
        target = io.BytesIO()
        film.save_as(target)
        throw(client, target.getvalue())


@pytest.mark.parametrize("side", [0, 2001, 2**16, 2**31 - 1, 2**32 - 1])
def test_a_png_that_declares_a_size_which_it_does_not_have(client, side):
    picture = bombs.png(side, side, pixels=bombs.zeros(1, wbits=15))
    assert throw(client, picture).status_code in (400, 413, 415, 422)


changes = st.lists(
    st.tuples(
        st.floats(0, 1, exclude_max=True),
        st.sampled_from(["replace", "insert", "remove", "repeat"]),
        st.binary(min_size=1, max_size=8) | st.sampled_from([b"\xff" * 4, bytes(4)]),
    ),
    min_size=1,
    max_size=4,
)


def changed(content, changes):
    """`content` with some bytes replaced, inserted, removed or repeated, mostly in its header."""
    for place, how, bytes_ in changes:
        at = int(place**3 * len(content))
        end = at + len(bytes_) * (how != "insert")
        new = {"remove": b"", "repeat": content[at:end] * 64}.get(how, bytes_)
        content = content[:at] + new + content[end:]
    return content


@given(
    name=st.sampled_from(sorted(FILES)),
    changes=changes,
    accept=st.sampled_from(["*/*", "application/dicom", "application/dicom, */*;q=0.1"]),
    explain=st.booleans(),
)
@settings(max_examples=600, deadline=None, suppress_health_check=[*HealthCheck])
def test_a_file_that_was_changed_anywhere(client, name, changes, accept, explain):
    throw(client, changed(FILES[name], changes), accept=accept, explain=explain)


@given(content=st.binary(max_size=2000), beginning=st.sampled_from([b"", *BEGINNINGS]))
@settings(max_examples=150, deadline=None, suppress_health_check=[*HealthCheck])
def test_any_bytes_at_all(client, content, beginning):
    assert throw(client, beginning + content).status_code != 200
