"""A batch is told, recorded and watched as the service would each of its examples."""

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest

from medpipe import certificate, config, keys
from medpipe.audit.chain import Chain
from medpipe.audit.record import ANSWERED
from medpipe.deidentify.pseudonym import Pseudonyms
from medpipe.deidentify.row import Door
from medpipe.monitoring import facts
from medpipe.scoring.questions import Question, Questions
from medpipe.scoring.respond import Batch, Respondent
from medpipe.serving import account
from medpipe.serving.predictor import worded
from medpipe.serving.release import load

COUNT = 60


@pytest.fixture(params=["warn", "refuse"])
def release(request, project, source):
    """Of readmission: watches whatever it can, and finds about half of its inputs unfamiliar."""
    found = load(project.champion, keys.trusted(project.home))
    watched = facts.columns(found.workload)
    rows = [item.payload for item in items(found, source)]
    reference = {
        **facts.by_name([facts.inputs(row, watched) for row in rows]),
        **{name: [k / 9 for k in range(10)] for name in ("risk", "distance")},
    }
    update = {
        "watched": facts.Watched(
            facts=tuple(facts.fact(name, "input", values) for name, values in reference.items())
        ),
        "familiar": replace(found.settings.familiar, distance=0.5),
        "serve": found.settings.serve.model_copy(update={"abstain": request.param}),
    }
    return replace(found, settings=found.settings.model_copy(update=update))


def items(release, source):
    return tuple(islice(release.workload.source("sample", source, options={}).items(), COUNT))


def test_a_batch_is_told_recorded_and_watched_as_the_service_does_each(release, source):
    workload = release.workload
    door = Door(workload, config.parse({}, workload).ingest, Pseudonyms(b"k" * 32))
    questions = Questions(release, door, Chain(b"k" * 32))
    batch = items(release, source)
    stretch = Respondent(release, questions, asked_by="me").answer(Batch(batch, COUNT, ""))
    asked = [one for one in map(questions.read, batch) if isinstance(one, Question)]
    stacked = {name: np.stack([one.inputs[name] for one in asked]) for name in asked[0].inputs}
    judged = release.session.judge(stacked)
    entries = [entry for entry in stretch.entries if entry.status == ANSWERED]
    scores = (judged.logit, judged.distance.tolist())
    told = zip(asked, *scores, stretch.answers, entries, stretch.seen, strict=True)
    for one, logit, distance, row, entry, seen in told:
        named = {"answer_id": entry.answer_id, "took_ms": 0.0}
        answer = worded(release, logit, distance, warnings=one.cautions, **named)
        said = account.said(answer)
        assert entry.answer == certificate.canonical(said).decode()
        watched = facts.inputs(one.row, facts.columns(workload)) | facts.scores(said)
        assert seen.bins == tuple(release.settings.watched.bins(watched))
        assert row["cautions"] == "; ".join(answer.warnings)
        assert row["answer_id"] == entry.answer_id == seen.answer_id
    assert 0 < sum(row["unfamiliar"] for row in stretch.answers) < len(asked)
