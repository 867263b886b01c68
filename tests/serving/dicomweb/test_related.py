"""Bodies of several files: taken as they arrive, within their limits."""

import asyncio

import pytest
from bodies import BOUNDARY, HEADERS, body, files
from starlette.requests import Request

from medpipe.errors import OverloadedError, RequestError
from medpipe.serving.batching import Places
from medpipe.serving.dicomweb import related

MIB = 1 << 20


def received(content: bytes, *, headers=HEADERS, chunk=65536, places=None):
    pieces = [content[at : at + chunk] for at in range(0, len(content), chunk)] or [b""]
    messages = [{"type": "http.request", "body": piece, "more_body": True} for piece in pieces]
    messages[-1]["more_body"] = False

    async def receive():
        return messages.pop(0)

    scope = {
        "type": "http",
        "headers": [(k.lower().encode(), v.encode()) for k, v in headers.items()],
    }
    with (places or Places(1, 1 << 30)).one() as place:
        asking = related.received(Request(scope, receive), place, max_upload_mib=1)
        return asyncio.run(asking)


@pytest.mark.parametrize("chunk", [1, 7, 65536])
def test_files_arrive_as_they_were_sent_however_the_network_cuts_them(chunk):
    sent = [b"DICM\r\n--x\0", b"", b"\r\n--" + BOUNDARY.encode()[:1]]
    assert [part.content for part in received(body(*sent), chunk=chunk)] == sent


def test_a_body_that_begins_with_a_line_and_ends_without_one_is_read():
    sent = b"\r\n" + body(b"one").removesuffix(b"\r\n")  # as dicomweb-client writes it
    assert [part.content for part in received(sent)] == [b"one"]


def test_a_file_that_is_too_large_is_dropped_and_the_others_are_kept():
    parts = received(body(b"one", bytes(MIB + 1), bytes(MIB)))
    assert [part.content for part in parts] == [b"one", None, bytes(MIB)]


def test_the_type_of_each_part_is_told():
    (part,) = received(body(b"{}", kind="application/dicom+json; charset=utf-8"))
    assert part.media_type == "application/dicom+json"


@pytest.mark.parametrize(
    "kind",
    [
        "application/dicom",
        'multipart/form-data; type="application/dicom"; boundary=xx',
        'multipart/related; type="application/dicom+json"; boundary=xx',
        "multipart/related; boundary=xx",
        "",
    ],
)
def test_another_kind_of_body_is_refused_with_415(kind):
    with pytest.raises(RequestError, match="multipart/related") as refused:
        received(body(b"one"), headers={"Content-Type": kind})
    assert refused.value.status == 415


@pytest.mark.parametrize(
    "content", [b"", b"junk", body(b"one")[:-20], body(), b"--xx\r\nbroken\r\n\r\n--xx--"]
)
def test_a_broken_body_is_refused_with_400(content):
    with pytest.raises(RequestError, match="broken, cut off or holds no file") as refused:
        received(content)
    assert refused.value.status == 400


def test_no_boundary_is_refused_with_400():
    with pytest.raises(RequestError) as refused:
        received(body(b"one"), headers={"Content-Type": HEADERS["Content-Type"].split("; b")[0]})
    assert refused.value.status == 400


def test_too_many_files_or_too_large_a_body_is_refused_with_413(monkeypatch):
    monkeypatch.setattr(related, "PARTS_MAX", 2)
    monkeypatch.setattr(related, "BODY_MIB", 3)
    assert len(received(body(b"1", b"2"))) == 2
    for content in (body(b"1", b"2", b"3"), body(bytes(MIB), bytes(3 * MIB))):
        with pytest.raises(RequestError) as refused:
            received(content)
        assert refused.value.status == 413


def test_all_that_arrives_counts_among_the_uploads_under_way():
    places = Places(2, MIB)
    with places.one() as other:
        other.hold(1)
        with pytest.raises(OverloadedError):
            received(body(bytes(MIB)), places=places)
        assert len(received(body(b"small"), places=places)) == 1
    assert places.held == 0


def test_a_response_can_be_read_by_the_e_mail_package():
    sent = [b"DICM\0\r\n", bytes(range(256))]
    assert files_of(related.response(sent)) == sent


def files_of(response):
    response.content = response.body
    return files(response)
