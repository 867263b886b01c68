"""params.yaml is checked once, and every complaint names the parameter and what is allowed."""

from pathlib import Path

import pytest

from medpipe import config
from medpipe.errors import ParamsError
from medpipe.workload import Section, Workload


class Encode(Section):
    size_px: int = 64


class Question(Workload):
    """Only what parameters need to know of a workload."""

    name = "question"
    encode_params = Encode
    model_params = Section


Question.__abstractmethods__ = frozenset()
QUESTION = Question()


def project(folder: Path, text: str) -> Path:
    (folder / "params.yaml").write_text(text, encoding="utf-8")
    return folder


def test_a_section_left_empty_has_every_default(tmp_path):
    params = config.load(project(tmp_path, "workloads: {question: {}}"), QUESTION)
    assert params.train == config.TrainParams()
    assert params.preprocess == Encode(size_px=64)


@pytest.mark.parametrize(
    ("section", "expected"),
    [
        ({"train": {"epoch": 3}}, "train.epoch is not a parameter; did you mean epochs?"),
        ({"trian": {}}, "workloads.question.trian is not a parameter; did you mean train"),
        ({"preprocess": {"size": 64}}, "preprocess.size is not a parameter; did you mean size_px?"),
        ({"evaluate": {"threshold": {"rul": 1}}}, "did you mean rule?"),
        ({"train": {"epochs": "many"}}, "train.epochs is 'many': input should be a valid integer"),
        ({"train": {"epochs": 0}}, "train.epochs is 0: input should be greater than or equal to 1"),
        ({"train": {"optimiser": "lion"}}, "'sgd', 'momentum', 'rmsprop', 'adam' or 'adamw'"),
        ({"gate": {"floors": {"auroc": 1.5}}}, "gate.floors.auroc is 1.5"),
        ({"split": {"val": 0.6, "test": 0.5}}, "leave nothing to train on"),
        ({"export": {"variants": ["int8"]}}, "evaluate.variant is 'fp32', which export.variants"),
        ({"train": 3}, "train is 3"),
    ],
)
def test_a_wrong_parameter_is_named_with_what_is_allowed(section, expected):
    with pytest.raises(ParamsError) as refused:
        config.parse(section, QUESTION)
    assert expected in str(refused.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("workloads: [a, b]", "must hold a mapping"),
        ("{{{", "is not valid YAML"),
        ("workloads: {other: {}}", "has no section workloads.question; it has other"),
    ],
)
def test_a_file_that_is_no_params_yaml_is_refused(tmp_path, text, expected):
    with pytest.raises(ParamsError, match=expected.replace(".", r"\.")):
        config.load(project(tmp_path, text), QUESTION)


def test_a_folder_without_params_says_what_to_do(tmp_path):
    with pytest.raises(ParamsError, match="run medpipe in a project, or pass --root"):
        config.load(tmp_path, QUESTION)


def test_effective_parameters_parse_to_themselves():
    params = config.parse({"train": {"epochs": 3}}, QUESTION)
    assert config.parse(config.effective(params), QUESTION) == params


def test_effective_parameters_do_not_say_where_the_people_are():
    source = {"name": "table", "path": "/wards/DOE^JANE", "options": {"path": "file of DOE^JANE"}}
    assert "DOE" not in str(config.effective(config.parse({"source": source}, QUESTION)))


def test_flat_names_are_dotted_and_complete():
    flat = config.flat(config.parse({"train": {"epochs": 3}}, QUESTION))
    assert flat["train.epochs"] == "3"
    assert flat["evaluate.threshold.at"] == "0.9"
    assert flat["preprocess.size_px"] == "64"


def test_described_parameters_show_value_limits_and_meaning():
    lines = config.described(config.parse({"split": {"val": 0.25}}, QUESTION))
    assert "split.val = 0.25   # > 0, < 1" in lines
    assert "split.by = group   # group | published" in lines
    assert any("sites held out whole" in line for line in lines)


def test_a_number_may_be_written_as_people_and_dvc_write_it(tmp_path):
    text = "workloads: {question: {train: {learning_rate: 1e-3, l2: 2.5E-05}}}"
    train = config.load(project(tmp_path, text), QUESTION).train
    assert (train.learning_rate, train.l2) == (0.001, 0.000025)


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        ({"train.learning_rat": {"low": 1, "high": 2}}, "did you mean train.learning_rate"),
        ({"split.val": {"low": 0.1, "high": 0.2}}, "may be one of section train, model, augment"),
        ({"train.epochs": {"low": 0.5, "high": 2.0}}, "0.5: input should be a valid integer"),
        ({"train.learning_rate": {"low": 0.1, "high": 20}}, "20: input should be less than"),
        ({"train.optimiser": {"choices": ["adam", "lion"]}}, "'lion': input should be 'sgd'"),
        ({"train.l2": {"low": 0.1}}, "either low and high, or choices"),
        ({"train.l2": {"low": 0.2, "high": 0.1}}, "low 0.2 is not below high 0.1"),
        ({"train.l2": {"low": 0, "high": 0.1, "log": True}}, "log needs a low above 0"),
        ({"train.l2": {"low": 0, "hihg": 0.1}}, "hihg is not a parameter; did you mean high?"),
    ],
)
def test_a_search_space_is_held_against_the_real_parameters(space, expected):
    with pytest.raises(ParamsError) as refused:
        config.parse({"tune": {"space": space}}, QUESTION)
    assert expected in str(refused.value)


def test_where_tuning_looks_and_stores_is_no_part_of_a_result():
    params = config.parse({"tune": {"storage": "postgresql://me:secret@host/db"}}, QUESTION)
    assert "secret" not in str(config.flat(params))


def test_what_an_image_stands_on_is_no_part_of_a_result():
    params = config.parse({"image": {"base": "registry.hospital.example/python:3.11"}}, QUESTION)
    assert params.image.base == "registry.hospital.example/python:3.11"
    assert "hospital" not in str(config.effective(params))
