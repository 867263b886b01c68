"""Ready: arrays that are appended row by row and read as memory maps."""

import numpy as np
import pandas as pd
import pytest

from medpipe.errors import DataError, MissingStageError
from medpipe.split import SIDES
from medpipe.tables.ready import Appender, Ready, Writer, seal


def frames(**counts):
    return {
        s: pd.DataFrame({"example": [f"{s}{i}" for i in range(counts.get(s, 0))]}) for s in SIDES
    }


def test_appended_rows_read_back_as_numpy_wrote_them(tmp_path):
    rows = np.random.default_rng(0).normal(size=(5, 2, 3)).astype(np.float32)
    appender = Appender(tmp_path / "x.npy", 5)
    for row in rows:
        appender.append(row)
    appender.close()
    np.save(tmp_path / "y.npy", rows)
    assert (tmp_path / "x.npy").read_bytes() == (tmp_path / "y.npy").read_bytes()


def test_a_row_of_another_shape_is_refused(tmp_path):
    appender = Appender(tmp_path / "image.npy", 2)
    appender.append(np.zeros((1, 4), np.uint8))
    with pytest.raises(
        DataError, match=r"row 1 of image is uint8 \(1, 5\), the first one uint8 \(1, 4"
    ):
        appender.append(np.zeros((1, 5), np.uint8))
    appender.close()


def test_missing_rows_are_noticed(tmp_path):
    with (
        pytest.raises(DataError, match=r"1 rows came for image.npy where 2 were counted"),
        Writer(tmp_path, frames(train=2).items()) as writer,
    ):
        writer.add("train", {"image": np.zeros(3)})


def test_inputs_come_back_in_the_order_of_the_network_s_arguments(tmp_path):
    with Writer(tmp_path, frames(train=1).items()) as writer:
        writer.add("train", {"numbers": np.zeros(2), "codes": np.zeros(3), "known": np.zeros(2)})
    assert list(Ready(tmp_path).arrays("train")) == ["numbers", "codes", "known"]
    assert Ready(tmp_path).arrays("val") == {}


def test_sides_and_inputs_are_kept_apart(tmp_path):
    with Writer(tmp_path, frames(train=2, test=1).items()) as writer:
        for side, value in (("train", 1), ("test", 2), ("train", 3)):
            writer.add(side, {"a": np.full(2, value), "b": np.full((), value, np.float32)})
    ready = Ready(tmp_path)
    assert ready.arrays("train")["a"].tolist() == [[1, 1], [3, 3]]
    assert ready.arrays("train")["b"].tolist() == [1.0, 3.0]
    assert ready.arrays("test")["a"].tolist() == [[2, 2]]
    assert list(ready.frame("test")["example"]) == ["test0"]


def test_arrays_are_read_only_memory_maps(tmp_path):
    with Writer(tmp_path, frames(train=1).items()) as writer:
        writer.add("train", {"a": np.zeros(3)})
    array = Ready(tmp_path).arrays("train")["a"]
    assert isinstance(array, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


def test_a_side_without_rows_has_an_empty_frame_and_no_array(tmp_path):
    with Writer(tmp_path, frames().items()):
        pass
    assert Ready(tmp_path).arrays("external") == {}
    assert list(Ready(tmp_path).frame("external").columns) == ["example"]


def test_what_is_sealed_reads_back(tmp_path):
    seal(tmp_path, state={"size": 3}, receipt={"clean": True}, params={"split": {}})
    ready = Ready(tmp_path)
    assert (ready.state, ready.receipt, ready.params) == (
        {"size": 3},
        {"clean": True},
        {"split": {}},
    )


@pytest.mark.parametrize("read", ["frame", "arrays"])
def test_before_preprocess_the_error_names_the_command(tmp_path, read):
    with pytest.raises(MissingStageError, match="run `medpipe stage preprocess shade` first"):
        getattr(Ready(tmp_path / "shade" / "ready"), read)("train")
