"""What every workload must fulfil. A new one is tested here before its author writes a test."""

from __future__ import annotations

import copy
import inspect
import json
import math

import numpy as np
import pytest
import samples
import torch

from medpipe import config, workloads
from medpipe.artefact import distance, graph
from medpipe.columns import COMMON
from medpipe.io.fhir.finders import Age, Coded, Highest
from medpipe.io.terminology import IMAGING
from medpipe.objectives import get
from medpipe.records import record
from medpipe.serving.session import Session
from medpipe.workload import Picture

every = pytest.mark.parametrize("name", workloads.names())
records = pytest.mark.parametrize(
    "name", [name for name in workloads.names() if workloads.get(name).payload == "record"]
)
files = pytest.mark.parametrize(
    "name", [name for name in workloads.names() if workloads.get(name).payload == "file"]
)
SUBJECTS = ("Question :", "Cohort :", "Label :", "Reference data :", "Not for :")


def network(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    params = config.parse({}, workloads.get(name))
    return workloads.get(name).model(params.model, samples.state(name))


def tensors(inputs: dict[str, np.ndarray]) -> tuple[torch.Tensor, ...]:
    return tuple(torch.from_numpy(array) for array in inputs.values())


# -- contract ------------------------------------------------------------------------------------
@every
def test_its_file_says_what_the_question_is_and_what_it_is_not_for(name):
    workload = workloads.get(name)
    said = inspect.getdoc(inspect.getmodule(type(workload)))
    assert [subject for subject in SUBJECTS if subject not in said] == []
    assert workload.name == name
    assert workload.title
    assert workload.intended_use
    assert workload.not_for


@every
def test_columns_begin_with_the_common_ones_and_say_what_they_mean(name):
    workload = workloads.get(name)
    names = [column.name for column in workload.columns]
    assert workload.columns[: len(COMMON)] == COMMON
    assert len(set(names)) == len(names)
    assert {workload.label, workload.duplicate_column or workload.label} <= set(names)
    assert all(column.meaning for column in workload.columns)
    measured = [c for c in workload.columns if c.dtype in ("series", "float") and not c.computed]
    assert [c.name for c in measured if c.low is None or c.high is None] == []


@every
def test_its_codes_are_of_what_is_answered_and_fit_into_a_report(name):
    workload = workloads.get(name)
    columns = {column.name: column for column in workload.columns}
    answered = {*workload.label_columns}.union(*(columns[c].values for c in workload.label_columns))
    assert set(workload.codes) <= answered
    for code in (*workload.codes.values(), workload.procedure or IMAGING):
        assert 0 < len(code.value) <= 16
        assert 0 < len(code.scheme) <= 16
        assert 0 < len(code.meaning) <= 64


@records
def test_its_example_can_be_sent_as_it_stands(name):
    workload = workloads.get(name)
    body = json.dumps(workload.example).encode()
    row, inputs = workload.request(record.parsed(body, workload), samples.state(name), limits={})
    assert workload.excluded(row) is None
    assert all(np.isfinite(array).all() for array in inputs.values())


@records
def test_its_map_from_fhir_leads_to_columns_that_are_asked_for_and_to_their_words(name):
    workload = workloads.get(name)
    asked = {column.name: column for column in record.asked(workload)}
    found = workload.fhir.columns if workload.fhir else ()
    assert len({way.column for way in found}) == len(found)
    for way in found:
        column = asked[way.column]
        words = {
            Coded: lambda way: way.words.values(),
            Age: lambda way: [word for _, word in way.bands],
            Highest: lambda way: [way.otherwise, *(word for _, word in way.above)],
        }.get(type(way), lambda way: ())(way)
        assert set(words) <= set(column.values), column.name


# -- learning ------------------------------------------------------------------------------------
@every
def test_state_is_json_and_does_not_depend_on_rows_that_were_not_given(name):
    workload, params = workloads.get(name), config.parse({}, workloads.get(name))
    some = samples.rows(name)[:20]
    state = workload.fit(iter(some), params.preprocess)
    assert state == json.loads(json.dumps(state, allow_nan=False)) or "inf" in repr(state)
    assert state == workload.fit(some, params.preprocess)
    assert state != samples.state(name)


@every
def test_encoding_changes_neither_row_nor_state_and_is_the_same_each_time(name):
    workload, state = workloads.get(name), samples.state(name)
    row = samples.rows(name)[0]
    before = copy.deepcopy((row, state))
    first, second = workload.encode(row, state), workload.encode(row, state)
    assert (row, state) == before
    assert all(np.array_equal(first[key], second[key]) for key in first)
    assert all(type(array) is np.ndarray for array in first.values())


@every
def test_features_for_the_baseline_are_numbers_or_not_known(name):
    inputs = samples.encoded(name, 10)
    features = workloads.get(name).features(inputs)
    if features is not None:
        assert features.shape[0] == 10
        assert not np.isinf(features).any()
        one = {key: array[3:4] for key, array in inputs.items()}
        np.testing.assert_array_equal(workloads.get(name).features(one), features[3:4])


@every
def test_perturbed_inputs_keep_their_shapes_and_types(name):
    inputs = samples.encoded(name, 4)
    for what, change in workloads.get(name).perturb().items():
        changed = change(copy.deepcopy(inputs), np.random.default_rng(0))
        assert changed.keys() == inputs.keys(), what
        for key, array in inputs.items():
            assert (changed[key].shape, changed[key].dtype) == (array.shape, array.dtype), what
        assert any(not np.array_equal(changed[key], inputs[key]) for key in inputs), what


@every
def test_the_network_overfits_sixteen_rows(name):
    inputs, targets = samples.balanced(name, 16)
    objective, net = get(workloads.get(name).objective), network(name)
    optimiser = torch.optim.Adam(net.parameters(), 3e-3)
    aim = torch.from_numpy(targets)
    for _ in range(150):
        loss = objective.loss(net(*tensors(inputs)), aim, weights=(1.0, 1.0), smoothing=0)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if loss < 0.05:
            break
    assert loss < 0.2


@every
def test_gradient_reaches_every_weight(name):
    net = network(name).train()
    net(*tensors(samples.encoded(name, 16))).square().sum().backward()
    cold = [n for n, w in net.named_parameters() if w.grad is None or not w.grad.abs().sum()]
    assert cold == []


@every
def test_the_artefact_scores_and_explains_one_row_as_among_many(name, tmp_path):
    inputs, net = samples.encoded(name, 5), network(name).eval()
    graph.export(net, inputs, tmp_path / "model.onnx")
    cloud = distance.add(tmp_path / "model.onnx", inputs)
    session = Session(tmp_path / "model.onnx", threads=1)
    logits, distances, _, maps = session.explain(inputs)
    with torch.no_grad():
        expected, evidence, features = net.explain(*tensors(inputs))
    np.testing.assert_allclose(distances, cloud.distances(features.double().numpy()), rtol=1e-2)
    np.testing.assert_allclose(logits, expected[:, 0], atol=1e-4)
    np.testing.assert_allclose(maps, evidence, atol=1e-3)
    alone = session.score({key: array[2:3] for key, array in inputs.items()})
    np.testing.assert_allclose(alone, logits[2:3], atol=1e-4)


# -- answering -----------------------------------------------------------------------------------
@every
def test_an_explanation_is_drawn_and_its_reasons_add_no_text_of_the_record(name):
    workload, row = workloads.get(name), samples.rows(name)[0]
    inputs = {
        key: torch.from_numpy(a[None])
        for key, a in workload.encode(row, samples.state(name)).items()
    }
    with torch.no_grad():
        _, evidence, _ = network(name).eval().explain(*inputs.values())
    picture = workload.draw(row, evidence[0].numpy())
    assert isinstance(picture, Picture)
    start = {"image/png": b"\x89PNG", "image/svg+xml": b"<svg"}[picture.media_type]
    assert picture.data.lstrip().startswith(start)
    assert b"http" not in picture.data.replace(b"http://www.w3.org/2000/svg", b"")
    reasons = workload.reasons(row, evidence[0].numpy())
    assert all(math.isfinite(reason.effect) for reason in reasons)
    assert [abs(r.effect) for r in reasons] == sorted(
        (abs(r.effect) for r in reasons), reverse=True
    )


@records
def test_every_field_that_is_missing_is_named_in_the_cautions(name):
    workload = workloads.get(name)
    required = {c.name for c in record.asked(workload) if not c.nullable}
    first = next(iter(k for k in workload.example if k not in required))
    little = {k: v for k, v in workload.example.items() if k in required | {first}}
    row, _ = workload.request(
        record.parsed(json.dumps(little).encode(), workload), samples.state(name), limits={}
    )
    said = " ".join(workload.cautions(row, samples.state(name)))
    compared = {c.name for c in workload.columns if c.compared}
    absent = [k for k in workload.example if k not in little.keys() | compared]
    assert absent
    meaning = {column.name: column.meaning for column in workload.columns}
    assert [k for k in absent if k.replace("_", " ") not in said and meaning[k] not in said] == []


@files
def test_its_example_file_is_one_that_the_question_can_be_asked_about(name):
    workload = workloads.get(name)
    if (example := workload.example_file()) is None:
        pytest.skip(f"{name} has none")
    limits = config.parse({}, workload).ingest.model_dump(mode="json")
    assert workload.excluded(workload.read(example.data, limits=limits)) is None
    assert workload.example_file() == example
