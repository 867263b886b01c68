"""Raw: parts that are whole, revisions that supersede, memory that does not grow."""

import tracemalloc
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from medpipe.columns import COMMON, Column
from medpipe.errors import MissingStageError
from medpipe.tables import look
from medpipe.tables.ledger import Entry, Ledger
from medpipe.tables.raw import Raw
from medpipe.tables.schema import schema

COLUMNS = (
    *COMMON,
    Column("age_years", "float", "age", unit="years", low=0, high=120),
    Column("ill", "int", "label", low=0, high=1),
    Column("image", "bytes", "content"),
)


def row(number, *, ill=0, size=100, **more):
    rng = np.random.default_rng(number)
    return {
        "example": f"x_{number:04d}",
        "group": f"p_{number // 2:04d}",
        "time": date(2024, 1, 1 + number % 28),
        "ill": ill,
        "image": rng.bytes(size),
        **more,
    }


@pytest.fixture
def raw(tmp_path):
    return Raw(tmp_path / "tiny" / "raw", COLUMNS)


def read(raw, *columns, size=7):
    return [row for batch in raw.batches(columns, size) for row in batch]


def test_what_is_written_is_read_in_order(raw):
    rows = [row(n, age_years=n / 2) for n in range(20)]
    assert raw.append(rows) == 20
    found = read(raw, "example", "image", "time", "age_years")
    assert [r["example"] for r in found] == [r["example"] for r in rows]
    assert all(a["image"] == b["image"] for a, b in zip(found, rows, strict=True))
    assert found[3]["time"] == date(2024, 1, 4)
    assert max(len(batch) for batch in raw.batches(["example"], 7)) == 7


def test_parts_close_at_their_size_and_are_numbered_on(raw):
    raw.append((row(n, size=300_000) for n in range(9)), part_mib=1)
    raw.append([row(9)])
    assert [p.name for p in raw.parts()] == [f"part-{n:05d}.parquet" for n in range(4)]
    assert [pq.read_metadata(p).num_rows for p in raw.parts()] == [4, 4, 1, 1]


def test_appending_nothing_writes_nothing(raw):
    assert raw.append([]) == 0
    assert raw.parts() == []
    assert raw.examples() == set()


def test_latest_row_of_an_example_wins_in_its_own_place(raw):
    raw.append([row(0), row(1), row(2)])
    before = raw.version()
    raw.append([row(1, ill=1)])
    assert [(r["example"], r["ill"]) for r in read(raw, "example", "ill")] == [
        ("x_0000", 0),
        ("x_0002", 0),
        ("x_0001", 1),
    ]
    assert raw.frame(["ill"])["ill"].tolist() == [0, 0, 1]
    assert raw.version() != before


def test_version_is_of_content_and_not_of_parts(tmp_path):
    whole, split = Raw(tmp_path / "a", COLUMNS), Raw(tmp_path / "b", COLUMNS)
    whole.append([row(n) for n in range(4)])
    split.append([row(0), row(1)])
    split.append([row(2), row(3)])
    assert whole.version() == split.version()


def test_interrupted_append_keeps_whole_parts_only(raw):
    def rows():
        yield from (row(n, size=600_000) for n in range(3))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        raw.append(rows(), part_mib=1)
    assert raw.examples() == {"x_0000", "x_0001"}
    assert len(list(raw.folder.iterdir())) == 1


def test_remains_of_a_killed_run_are_cleared(raw):
    raw.append([row(0)])
    (raw.folder / ".partial-part-00001.parquet").write_bytes(b"half")
    raw.append([])
    assert [path.name for path in raw.folder.iterdir()] == ["part-00000.parquet"]


def test_withdrawn_example_is_left_out(raw):
    raw.append([row(0), row(1)])
    Ledger(raw.folder).save({"x_0000": Entry("r", None, "no label")}, parts=1)
    assert raw.examples() == {"x_0001"}


def test_frame_has_plain_types_and_the_order_asked_for(raw):
    raw.append([row(0, age_years=3), row(1)])
    frame = raw.frame(["time", "age_years", "example"])
    assert list(frame) == ["time", "age_years", "example"]
    assert pd.api.types.is_datetime64_any_dtype(frame["time"])
    assert frame["age_years"].isna().tolist() == [False, True]


def test_part_is_plain_parquet_with_the_data_dictionary_inside(raw):
    raw.append([row(n) for n in range(3)])
    frame = pd.read_parquet(raw.parts()[0])
    assert len(frame) == 3
    field = pq.read_schema(raw.parts()[0]).field("age_years")
    assert field.metadata[b"unit"] == b"years"
    column = pq.read_metadata(raw.parts()[0]).row_group(0).column(7)
    assert column.path_in_schema == "image"
    assert (column.compression, column.statistics) == ("UNCOMPRESSED", None)
    assert "RLE_DICTIONARY" not in column.encodings


def test_reading_before_ingest_says_what_to_run(raw):
    with pytest.raises(MissingStageError, match="medpipe stage ingest tiny"):
        raw.frame(["example"])


def test_memory_is_flat_while_data_grow_ten_times(tmp_path):
    def peak(count):
        raw = Raw(tmp_path / str(count), COLUMNS)
        tracemalloc.start()
        raw.append((row(n, size=200_000) for n in range(count)), part_mib=2)
        for batch in raw.batches(["example", "image"], 8):
            del batch
        highest = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return highest, pa.default_memory_pool().max_memory()

    (few, few_arrow), (many, many_arrow) = peak(30), peak(300)
    assert many < 1.3 * few
    assert many_arrow < 1.3 * few_arrow


def test_ledger_takes_what_it_does_not_cover_from_the_parts(raw):
    ledger = Ledger(raw.folder)
    raw.append([row(0, revision="r0"), row(1, revision="r1")])
    ledger.save({"x_0000": Entry("touched", "c", None)}, parts=1)
    raw.append([row(2, revision="r2")])
    known = ledger.load(raw.parts())
    assert {name: entry.revision for name, entry in known.items()} == {
        "x_0000": "touched",
        "x_0002": "r2",
    }


def test_ledger_that_says_the_same_is_not_written_again(raw):
    ledger, known = Ledger(raw.folder), {"x_0": Entry("r", "c", None)}
    ledger.save(known, parts=3)
    path = raw.folder / "ledger.parquet"
    before = path.stat().st_mtime_ns
    ledger.save(dict(known), parts=3)
    assert path.stat().st_mtime_ns == before
    ledger.save(known, parts=4)
    assert path.stat().st_mtime_ns != before


def test_schema_stores_every_kind_of_column():
    kinds = ("str", "category", "int", "float", "bool", "date", "bytes")
    fields = schema([Column(kind, kind, "meaning") for kind in kinds])
    types = [str(field.type) for field in fields]
    assert types == ["string", "string", "int64", "double", "bool", "date32[day]", "binary"]


class _Ill:
    name, label, label_columns, columns = "tiny", "ill", ("ill",), COLUMNS


def test_look_counts_and_exports_what_a_person_can_open(raw, tmp_path):
    raw.append([row(n, ill=int(n % 3 == 0), published="train", site="s_1") for n in range(6)])
    shown = look.show(raw, _Ill())
    assert (shown["examples"], shown["groups"], shown["labels"]) == (6, 3, {"0": 4, "1": 2})
    assert (shown["published"], shown["sites"], shown["parts"]) == ({"train": 6}, {"s_1": 6}, 1)
    assert look.export(raw, _Ill(), tmp_path / "out", limit=2)["files"] == 2
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "examples.csv",
        "x_0000.image.bin",
        "x_0001.image.bin",
    ]


def test_look_counts_each_of_several_labels(raw):
    class Two(_Ill):
        label_columns = ("ill", "age_years")

    raw.append([row(n, ill=n % 2, age_years=9.0 if n else None) for n in range(3)])
    assert look.show(raw, Two())["labels"] == {
        "ill": {"0": 2, "1": 1},
        "age_years": {"9.0": 2, "not known": 1},
    }


def test_each_ingest_begins_at_a_part_that_is_remembered(raw):
    known = {}
    for first, parts in ((0, 2), (10, 3), (10, 3), (20, 4)):
        if parts > len(raw.parts()):
            rows = [row(n, size=300_000) for n in range(first, first + (5 if first == 0 else 1))]
            raw.append(rows, part_mib=1)
            known |= {each["example"]: Entry("r", "c", None) for each in rows}
        assert len(raw.parts()) == parts
        Ledger(raw.folder).save(known, parts=parts)  # the third found nothing
    assert raw.ingests() == [0, 2, 3]
    raw.append([row(30)])  # killed before its end: of it the ledger knows nothing yet
    assert raw.ingests() == [0, 2, 3, 4]
    frames = raw.frames(["example"], since=2, before=4)
    assert [name for frame in frames for name in frame["example"]] == ["x_0010", "x_0020"]


def test_what_an_earlier_medpipe_has_ingested_counts_as_one(raw):
    assert raw.ingests() == [0]
    raw.append([row(0)])
    Ledger(raw.folder).save({"x_0000": Entry("r", "c", None)}, parts=1)
    path = raw.folder / "ledger.parquet"
    table = pq.read_table(path)
    pq.write_table(table.replace_schema_metadata({b"parts": b"1"}), path)
    assert raw.ingests() == [0]
    raw.append([row(1)])
    assert raw.ingests() == [0, 1]
