"""The body of a request, in every shape that a client may give it."""

import asyncio

import pytest
from starlette.requests import Request

from medpipe.errors import RequestError
from medpipe.serving import intake
from medpipe.serving.batching import Places

MIB = 1 << 20
FORM = "multipart/form-data; boundary=cut"


def taken(chunks, content_type="image/png", *, length=None, is_cut=False, **options):
    """What `payload` makes of a body that arrives in `chunks`; all were asked for or not."""
    messages = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
    messages.append(
        {"type": "http.disconnect"} if is_cut else {"type": "http.request", "more_body": False}
    )
    headers = [(b"content-type", content_type.encode())]
    if length is not None:
        headers.append((b"content-length", str(length).encode()))

    async def receive():
        return messages.pop(0)

    request = Request({"type": "http", "method": "POST", "headers": headers}, receive)
    with Places(1, held_limit=MIB).one() as place:
        return asyncio.run(intake.payload(request, place, **{"max_upload_mib": 1, **options}))


def part(content, *, field="file"):
    disposition = f'Content-Disposition: form-data; name="{field}"; filename="Doe^Jane.dcm"'
    return f"--cut\r\n{disposition}\r\n\r\n".encode() + content + b"\r\n"


def form(*parts):
    return b"".join(parts) + b"--cut--\r\n"


@pytest.mark.parametrize("content_type", intake.RAW_TYPES)
def test_a_raw_body_is_the_file(content_type):
    assert taken([b"one ", b"two"], content_type) == b"one two"


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_a_form_gives_its_file_however_it_is_cut_into_chunks(step):
    content = bytes(range(256)) + b"\r\n--cu\r\n-"
    body = form(part(content))
    assert taken([body[i : i + step] for i in range(0, len(body), step)], FORM) == content


def test_other_fields_of_a_form_are_left_out():
    body = form(part(b"a note", field="note"), part(b"pixels"))
    assert taken([body], FORM) == b"pixels"


@pytest.mark.parametrize(
    ("chunks", "content_type", "status", "advice"),
    [
        ([b"{}"], "application/json", 415, "multipart/form-data"),
        ([b"a=1"], "application/x-www-form-urlencoded", 415, "application/dicom"),
        ([b"x"], "", 415, "Content-Type"),
        ([], "image/png", 400, "empty"),
        ([form(part(b""))], FORM, 400, "empty"),
        ([form(part(b"pixels"))[:-9]], FORM, 400, "broken or cut off"),
        ([b"no form at all"], FORM, 400, "broken"),
        ([form(part(b"pixels"))], "multipart/form-data", 400, "broken"),
        ([form(part(b"pixels", field="image"))], FORM, 400, "exactly one field 'file'"),
        ([form(part(b"a"), part(b"b"))], FORM, 400, "it has 2"),
    ],
)
def test_what_is_no_file_is_refused_with_advice(chunks, content_type, status, advice):
    with pytest.raises(RequestError, match=advice) as refusal:
        taken(chunks, content_type)
    assert refusal.value.status == status


def test_a_declared_length_over_the_limit_is_refused_before_a_byte_is_read():
    with pytest.raises(RequestError, match="larger than 1 MiB") as refusal:
        taken([], length=MIB + 1)  # reading would pop from an empty list
    assert refusal.value.status == 413


def test_a_chunked_body_is_counted_and_stopped_at_the_limit():
    def endless():
        raise AssertionError("read on past the limit")

    chunks = [bytes(MIB), b"x", endless]
    with pytest.raises(RequestError, match="larger than 1 MiB") as refusal:
        taken(chunks)
    assert refusal.value.status == 413


@pytest.mark.parametrize(("size", "fits"), [(MIB, True), (MIB + 1, False)])
def test_the_limit_is_of_the_file_not_of_the_form_around_it(size, fits):
    if fits:
        assert len(taken([form(part(bytes(size)))], FORM)) == size
        return
    with pytest.raises(RequestError) as refusal:
        taken([form(part(bytes(size)))], FORM)
    assert refusal.value.status == 413


def test_a_record_is_limited_whatever_a_file_may_have():
    with pytest.raises(RequestError, match="larger than 8 MiB") as refusal:
        taken([], "application/json", length=8 * MIB + 1, max_upload_mib=64, kind="record")
    assert refusal.value.status == 413


def test_a_form_of_many_parts_is_refused():
    parts = [part(b"", field=f"n{number}") for number in range(65)]
    with pytest.raises(RequestError, match="over 64 parts"):
        taken([form(*parts, part(b"pixels"))], FORM)


def test_an_upload_that_is_cut_off_is_no_error_of_the_service():
    with pytest.raises(RequestError, match="cut off") as refusal:
        taken([b"half"], is_cut=True)
    assert refusal.value.status == intake.CLIENT_CLOSED
