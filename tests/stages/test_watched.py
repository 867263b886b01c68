"""The service sees patients as the reference was made of them."""

import contextlib
import json
import time
from collections import Counter

import pandas as pd
import pytest
from three_numbers import X, answered, rows

from medpipe.audit import place as places
from medpipe.monitoring.facts import Watched
from medpipe.monitoring.journal import Journal
from medpipe.serving import watch


def test_asked_about_the_reference_itself_the_service_counts_what_evaluate_counted(
    done, client, tmp_path
):
    workload, layout, _, report = done
    watched = Watched.model_validate_json(json.dumps(report["watched"]))
    scores = pd.read_parquet(layout.evaluation / "scores.parquet")
    held = set(scores.query("split in ['val', 'test']")["example"])
    asked = [row for row in rows(workload.objective) if row["example"] in held]
    for row in asked:
        answered(workload, client, **{name: row[name] for name in (*X, "sex")})
    time.sleep(2 * watch.GATHER_S)
    with contextlib.closing(Journal(places.at(tmp_path).database)) as journal:
        seen = list(journal.seen(workload.name))
    assert len(seen) == len(asked) == watched.examples
    for place, fact in enumerate(watched.facts):
        counts = Counter(row.bins[place] for row in seen)
        found = [counts[number] for number in range(len(fact.counts))]
        # Alone, an example's features may differ from those in a batch in the last bit.
        assert found == pytest.approx(fact.counts, abs=0 if fact.part == "input" else 1), fact.name
