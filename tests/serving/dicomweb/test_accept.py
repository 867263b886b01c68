"""Which media type a header asks for."""

import pytest

from medpipe.serving.dicomweb.accept import DICOM, DICOM_JSON, JSON, RELATED, preferred

OFFERED = (JSON, DICOM, RELATED)


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("application/dicom", DICOM),
        ("Application/DICOM", DICOM),
        ("application/dicom, application/json", JSON),
        ("application/dicom, application/json;q=0.9", DICOM),
        ("application/json;q=0, */*", DICOM),
        ("multipart/*", RELATED),
        ("multipart/related", RELATED),
        ('multipart/related; type="application/dicom"', RELATED),
        ("multipart/related; type=application/dicom; transfer-syntax=*", RELATED),
        (f"{RELATED}; transfer-syntax=1.2.840.10008.1.2.1", RELATED),
        (f"{RELATED}; transfer-syntax=1.2.840.10008.1.2.4.90", None),
        ('multipart/related; type="image/jpeg"', None),
        ("text/html", None),
        ("application/dicom;q=DOE", None),
        ("text/html, application/dicom;q=0.2, */*;q=0.1", DICOM),
    ],
)
def test_the_type_with_the_highest_quality_is_chosen(header, chosen):
    assert preferred(header, OFFERED) == chosen


def test_json_of_dicom_is_not_json():
    assert preferred("application/json", (DICOM_JSON,)) is None
    assert preferred("application/dicom+json", (DICOM_JSON, JSON)) == DICOM_JSON
