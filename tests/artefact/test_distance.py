"""Distance from the training data: against a second implementation, and inside the artefact."""

import numpy as np
import onnx
import pytest
import torch
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from torch import nn

from medpipe.artefact import distance, graph, int8
from medpipe.errors import DataError
from medpipe.serving.session import Session


def features(rows=300, seed=0):
    """Four features that hang together, of very different spread."""
    mixing = np.random.default_rng(99).normal(size=(4, 4))
    mixed = np.random.default_rng(seed).normal(size=(rows, 4)) @ mixing
    return mixed * np.array([1, 10, 0.1, 20]) + np.array([0, 5, -3, 1000])


def test_it_is_mahalanobis_with_a_shrunk_covariance():
    train, new = features(), features(5, seed=1)
    scale = train.std(axis=0)
    precision = LedoitWolf().fit(train / scale).precision_
    expected = [mahalanobis(x / scale, train.mean(0) / scale, precision) for x in new]
    found = distance.fit(train).distances(new)
    assert found == pytest.approx(np.array(expected) / np.sqrt(4))  # root mean square: of 4


def test_units_do_not_matter():
    train, new = features(), features(5, seed=1)
    unit = np.array([10, 0.1, 5, 2])
    found = distance.fit(train * unit).distances(new * unit)
    assert found == pytest.approx(distance.fit(train).distances(new))


def test_the_usual_distance_is_about_one_and_grows_with_what_is_far():
    cloud = distance.fit(features(4000))
    assert np.median(cloud.distances(features(4000, seed=1))) == pytest.approx(0.92, abs=0.05)
    far = cloud.centre + np.outer([1, 2, 4], features(1, seed=2)[0] - cloud.centre)
    first, second, fourth = cloud.distances(far)
    assert (second, fourth) == pytest.approx((2 * first, 4 * first))


@pytest.mark.parametrize("rows", [3, 300])
def test_copies_constants_and_few_rows_give_finite_distances(rows):
    train = features(rows)
    train = np.column_stack([train, train, np.full(rows, 7.0)])
    cloud = distance.fit(train)
    assert np.isfinite(cloud.distances(train)).all()
    changed = train[:1] + np.eye(9)[8] * 50  # what never varied now does
    assert cloud.distances(changed) > 2 * cloud.distances(train).max()


def test_directions_are_principal_components_widest_first():
    train, new = features(4000), features(5, seed=1)
    scale = train.std(axis=0)
    second = PCA(2, whiten=True).fit(train / scale).transform(new / scale)
    found = distance.fit(train).places(new)[:, :2]
    assert np.abs(found) == pytest.approx(np.abs(second), abs=0.02)


def test_there_are_no_more_directions_than_are_wanted_or_than_there_are_features():
    wide = np.random.default_rng(0).normal(size=(200, 40))
    assert distance.fit(wide).places(wide).shape == (200, 16)
    assert distance.fit(wide[:, :3]).places(wide[:, :3]).shape == (200, 3)


def test_features_of_one_value_only_have_no_distance():
    assert distance.fit(np.ones((9, 3))).distances(np.ones((2, 3))).tolist() == [0, 0]


def test_features_that_are_not_finite_are_refused():
    with pytest.raises(DataError, match="features of the training rows are not finite"):
        distance.fit(np.array([[1.0, np.nan]]))


class Network(nn.Module):
    """A hidden layer, which is what its last layer reads."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.hidden, self.head = nn.Linear(3, 8), nn.Linear(8, 1)

    def explain(self, x):
        hidden = self.hidden(x)
        return self.head(hidden.relu()), x.abs(), hidden


def rows(count, seed=0):
    return {"x": np.random.default_rng(seed).normal(size=(count, 3)).astype(np.float32)}


@pytest.fixture
def exported(tmp_path):
    graph.export(Network(), rows(2), tmp_path / "fp32.onnx")
    int8.quantise(tmp_path / "fp32.onnx", tmp_path / "int8.onnx", rows(200))
    return tmp_path


@pytest.mark.parametrize("variant", ["fp32", "int8"])
def test_each_variant_measures_from_its_own_features(exported, variant):
    path = exported / f"{variant}.onnx"
    own = distance.features(path, rows(7, seed=1))
    cloud = distance.add(path, rows(200))
    found = Session(path, threads=1).judge(rows(7, seed=1))
    assert found.distance == pytest.approx(cloud.distances(own), rel=1e-4)
    assert found.directions == pytest.approx(cloud.places(own), abs=1e-4)
    assert cloud.examples == 200


def test_int8_sees_other_features_and_so_has_a_cloud_of_its_own(exported):
    full, coarse = (
        distance.features(exported / f"{name}.onnx", rows(200)) for name in ("fp32", "int8")
    )
    assert 1e-4 < np.abs(full - coarse).max() < 0.1


def test_a_unit_that_is_off_keeps_saying_how_far_in_int8(exported):
    """ONNX Runtime would fold the ReLU that follows into the features' range, and cut them at 0."""
    full, coarse = (
        distance.features(exported / f"{name}.onnx", rows(200)) for name in ("fp32", "int8")
    )
    assert coarse.min() == pytest.approx(full.min(), abs=0.1)
    assert coarse.min() < -1


def test_distance_takes_the_place_of_features_and_the_answer_stays(exported):
    path = exported / "fp32.onnx"
    before = Session(path, threads=1).score(rows(5))
    distance.add(path, rows(200))
    assert tuple(each.name for each in onnx.load(path).graph.output) == distance.OUTPUTS
    assert np.array_equal(Session(path, threads=1).score(rows(5)), before)
    onnx.checker.check_model(onnx.load(path))


def test_the_same_rows_make_the_same_bytes(exported):
    content = (exported / "fp32.onnx").read_bytes()
    made = []
    for name in ("a.onnx", "b.onnx"):
        (exported / name).write_bytes(content)
        distance.add(exported / name, rows(200))
        made.append((exported / name).read_bytes())
    assert made[0] == made[1]
