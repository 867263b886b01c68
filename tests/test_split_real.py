"""The split of the published chest films: what leaks in the publication, and does not in ours."""

import cv2
import numpy as np
import pytest

from medpipe import config, duplicates, split
from medpipe.config import SplitParams
from medpipe.io import image
from medpipe.workloads import get

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def items(pytestconfig):
    data = config.environment("MEDPIPE_REAL_DATA")
    root = pytestconfig.rootpath / (data or "../shared/data") / "chest_xray_kermany"
    if not root.is_dir():
        pytest.skip("no chest_xray_kermany under MEDPIPE_REAL_DATA or ../shared/data")
    return list(get("chest_xray").source("kermany", root, options={}).items())


def receipt(items, rule, **more):
    columns = {
        "group": [item.patient_id for item in items],
        "site": [None] * len(items),
        "published": [item.published for item in items],
    }
    arrays = {name: np.array(values, dtype=object) for name, values in columns.items()}
    examples = split.Examples(
        np.array([item.key for item in items], dtype=object),
        arrays["group"],
        split.assign(arrays, rule),
        positive=np.array([item.label == 1 for item in items]),
        **{k: v for k, v in more.items() if k != "alike"},
    )
    return split.receipt(examples, rule, alike=more.get("alike"))


def test_the_published_split_shares_170_patients(items):
    made = receipt(items, SplitParams(by="published"))
    assert made["shared_groups"]["count"] == 170
    assert not made["clean"]
    assert made["counts"]["test"] == {"examples": 624, "groups": 427, "positives": 390}


def test_the_patient_split_shares_none(items):
    made = receipt(items, SplitParams())
    assert made["clean"]
    assert sum(c["examples"] for c in made["counts"].values()) == 5840
    assert 0.17 < made["counts"]["test"]["groups"] / 3103 < 0.23


@pytest.mark.slow
def test_the_hash_alone_finds_thousands_of_pairs_and_the_pictures_confirm_none(items):
    films = [cv2.imread(str(item.payload), cv2.IMREAD_GRAYSCALE) for item in items]
    likeness = np.array([image.difference_hash(film) for film in films], dtype=object)
    content = np.array([image.pixel_hash(film) for film in films], dtype=object)
    thumbnails = np.stack([duplicates.thumbnail({"image": film}) for film in films])
    alike = duplicates.comparison(thumbnails)
    near = receipt(
        items, SplitParams(by="published"), likeness=likeness, content=content, alike=alike
    )["near_duplicates"]
    assert near["candidates"] > 5000
    assert near["confirmed"] == 0


def test_a_recompressed_and_rescaled_film_is_confirmed(items):
    film = cv2.imread(str(items[0].payload), cv2.IMREAD_GRAYSCALE)
    small = cv2.resize(film, (150, 150), interpolation=cv2.INTER_AREA)
    copy = cv2.imdecode(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 30])[1], 0)
    thumbnails = np.stack([duplicates.thumbnail({"image": x}) for x in (film, copy)])
    bits = [int(image.difference_hash(x), 16) for x in (film, copy)]
    assert (bits[0] ^ bits[1]).bit_count() <= 2
    assert duplicates.comparison(thumbnails)(np.array([0]), np.array([1])).all()
