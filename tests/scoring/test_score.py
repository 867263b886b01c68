"""A whole source is answered as the service would, and each answer is on record once."""

import pandas as pd
import pytest

from medpipe import config, workloads
from medpipe.audit import place as places
from medpipe.errors import ParamsError
from medpipe.scoring import batch, score

NAME = "readmission"


def scored(project, source, out, **sections):
    workload = workloads.get(NAME)
    return score(workload, config.parse(sections, workload), project, path=source, out=out)


def recorded(project):
    with places.reading(project.root) as (_, store):
        return list(store.records())


def test_every_item_is_answered_or_refused_and_each_has_one_record(project, source, tmp_path):
    said = scored(project, source, tmp_path / "out.parquet")
    answers = pd.read_parquet(tmp_path / "out.parquet")
    refused = pd.read_parquet(tmp_path / "out.refused.parquet")
    assert (said["examples"], said["refused"]) == (len(answers), len(refused))
    assert said["examples"] >= 40
    assert sorted([*answers["item"], *refused["item"]]) == [
        *range(1, len(answers) + len(refused) + 1)
    ]
    ids = [found.answer_id for found in recorded(project)]
    assert sorted(ids) == sorted([*answers["answer_id"], *refused["answer_id"]])


def test_two_processes_say_what_one_says(project, source, tmp_path, monkeypatch):
    monkeypatch.setattr(batch, "RECORDS_AT_ONCE", 8)
    tables = []
    for threads in (1, 2):
        scored(project, source, tmp_path / f"{threads}.parquet", ingest={"threads": threads})
        tables.append(pd.read_parquet(tmp_path / f"{threads}.parquet"))
    one, two = (table.drop(columns="answer_id") for table in tables)
    pd.testing.assert_frame_equal(one, two, check_exact=True)
    assert not set(tables[0]["answer_id"]) & set(tables[1]["answer_id"])


def test_a_scoring_that_ends_before_the_records_of_its_part_goes_on(
    project, source, tmp_path, monkeypatch
):
    monkeypatch.setattr(batch, "PART_ITEMS", 16)
    whole, calls = batch.Books.put, []

    def cut(self, entries, seen, *, are_new):
        calls.append(len(entries))
        if len(calls) == 3:
            whole(self, entries[:5], seen, are_new=are_new)
            raise KeyboardInterrupt
        whole(self, entries, seen, are_new=are_new)

    monkeypatch.setattr(batch.Books, "put", cut)
    with pytest.raises(KeyboardInterrupt):
        scored(project, source, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()
    monkeypatch.setattr(batch.Books, "put", whole)
    said = scored(project, source, tmp_path / "out.csv")
    ids = [found.answer_id for found in recorded(project)]
    assert len(ids) == len(set(ids)) == said["examples"] + said["refused"]
    assert set(pd.read_csv(tmp_path / "out.csv")["answer_id"]) <= set(ids)


def test_a_table_that_is_there_is_never_replaced(project, source, tmp_path):
    (tmp_path / "out.csv").write_text("mine")
    with pytest.raises(ParamsError, match="there already"):
        scored(project, source, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == "mine"
