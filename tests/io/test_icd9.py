"""ICD-9-CM: codes as hospitals write them, against the chapters of the tabular list."""

import pytest

from medpipe.io import icd9


@pytest.mark.parametrize(
    ("code", "category", "group"),
    [
        ("250.83", "250", "diabetes"),
        ("249", "249", "endocrine"),
        ("38", "038", "infection"),  # septicaemia, its leading zero lost in a spreadsheet
        ("8.45", "008", "infection"),
        ("140", "140", "neoplasm"),
        ("239.9", "239", "neoplasm"),
        ("285.9", "285", "blood"),
        ("428.0", "428", "circulatory"),
        ("785.5", "785", "circulatory"),  # Strack et al., table 2
        ("786", "786", "respiratory"),
        ("787.", "787", "digestive"),
        ("788.2", "788", "genitourinary"),
        ("789", "789", "symptoms"),
        ("800", "800", "injury"),
        ("999.31", "999", "injury"),
        ("v58.67", "V58", "other contact"),
        ("E909", "E909", "external cause"),
    ],
)
def test_a_code_has_its_category_and_group(code, category, group):
    assert (icd9.category(code), icd9.group(code)) == (category, group)
    assert group in icd9.GROUPS


@pytest.mark.parametrize("text", ["E11.9", "I50", "0", "000", "4280", "250.123", "", "Jane Doe"])
def test_what_is_no_icd_9_code_is_refused_and_not_repeated(text):
    with pytest.raises(ValueError, match=r"not an ICD-9-CM code such as 250\.83") as caught:
        icd9.group(text)
    assert "Jane" not in str(caught.value)
