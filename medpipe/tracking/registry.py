"""MLflow's model registry: one registered model per workload, its versions, aliases and files."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path

import mlflow.onnx
import onnx
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.protos.databricks_pb2 import (
    INVALID_PARAMETER_VALUE,
    RESOURCE_ALREADY_EXISTS,
    RESOURCE_DOES_NOT_EXIST,
    ErrorCode,
)
from mlflow.types import Schema, TensorSpec

from medpipe.errors import TrackingError
from medpipe.paths import Layout
from medpipe.tracking import store

_REQUIREMENTS = ("mlflow", "numpy", "onnx", "onnxruntime")
_PROVIDERS = ["CPUExecutionProvider"]
_MODEL = "model.onnx"
"""MLflow's own name for the file."""
_RELEASES = "releases"
"""Folder of a version's artefacts with one folder per certificate that was issued for it."""
_MODEL_ID = "medpipe.model_id"
"""Tag of a version: its MLflow model, which SQL registries do not give back themselves."""
_ABSENT = frozenset(
    ErrorCode.Name(code) for code in (RESOURCE_DOES_NOT_EXIST, INVALID_PARAMETER_VALUE)
)


def register(
    layout: Layout, run_id: str, model: Path, tags: Mapping[str, str], paths: Iterable[Path]
) -> str:
    """A new version of the workload's model, as MLflow's own tools can load and serve it.

    Parameters
    ----------
    run_id : the training's, in this store
    model : the ONNX file; its bytes are kept as they are
    tags : of the version; there from its first moment, so that `find` sees it whole or not at all
    paths : further files to keep beside the model
    """
    client = store.client(layout)
    with store.explained(layout), tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        _save(model, folder)
        for path in paths:
            shutil.copyfile(path, folder / path.name)
        logged = client.create_logged_model(
            store.experiment(layout), name=layout.workload, source_run_id=run_id
        )
        client.log_model_artifacts(logged.model_id, str(folder))
        client.finalize_logged_model(logged.model_id, "READY")
        _ensure_model(client, layout.workload)
        made = client.create_model_version(
            layout.workload,
            # Not models:/…: SQL registries look that up in the process's global store, not in ours.
            logged.artifact_location,
            run_id=run_id,
            tags={**tags, _MODEL_ID: logged.model_id},
            model_id=logged.model_id,
        )
        return str(made.version)


def find(layout: Layout, tag: str, value: str) -> str | None:
    """The earliest version whose `tag` is `value`."""
    client = store.client(layout)
    with store.explained(layout):
        found = client.search_model_versions(f"name = '{layout.workload}'", max_results=10_000)
        numbers = [int(each.version) for each in found if _tags(client, each).get(tag) == value]
    return str(min(numbers)) if numbers else None


def alias(layout: Layout, name: str) -> str | None:
    """The version that `name` points at; None where nothing has that alias."""
    client = store.client(layout)
    try:
        return str(client.get_model_version_by_alias(layout.workload, name).version)
    except MlflowException as error:
        if error.error_code in _ABSENT:
            return None
        with store.explained(layout):
            raise


def set_alias(layout: Layout, name: str, version: str | None) -> None:
    """Point `name` at `version`, or at nothing."""
    client = store.client(layout)
    with store.explained(layout):
        if version is None:
            client.delete_registered_model_alias(layout.workload, name)
        else:
            client.set_registered_model_alias(layout.workload, name, version)


def attach(layout: Layout, version: str, release: str, folder: Path) -> None:
    """Keep the files in `folder` with `version` under the name `release`; never changed later."""
    client = store.client(layout)
    found = _version(layout, version)
    with store.explained(layout):
        client.log_model_artifacts(
            _tags(client, found)[_MODEL_ID], str(folder), f"{_RELEASES}/{release}"
        )


def download(layout: Layout, version: str, release: str, folder: Path) -> None:
    """What `attach` kept, and the model as ``model.onnx``, into `folder`.

    Raises
    ------
    TrackingError : the registry has no such version, or not these files
    """
    found = _version(layout, version)
    with store.explained(layout), tempfile.TemporaryDirectory() as scratch:
        for name in (f"{_RELEASES}/{release}", _MODEL):
            got = Path(
                download_artifacts(
                    artifact_uri=f"{found.source}/{name}",
                    dst_path=scratch,
                    tracking_uri=store.uri(layout),
                )
            )
            if got.is_dir():
                shutil.copytree(got, folder, dirs_exist_ok=True)
            else:
                shutil.copyfile(got, folder / name)


def version_tags(layout: Layout, version: str) -> dict[str, str]:
    """Tags of `version`."""
    return _tags(store.client(layout), _version(layout, version))


def tag_version(layout: Layout, version: str, tags: Mapping[str, str]) -> None:
    """Set `tags` on `version`."""
    client = store.client(layout)
    with store.explained(layout):
        for name, value in tags.items():
            client.set_model_version_tag(layout.workload, version, name, value)


def model_tag(layout: Layout, name: str) -> str | None:
    """Tag `name` of the registered model; None where there is no tag, or no model yet."""
    client = store.client(layout)
    try:
        found = client.get_registered_model(layout.workload).tags.get(name)
    except MlflowException as error:
        if error.error_code in _ABSENT:
            return None
        with store.explained(layout):
            raise
    return None if found is None else str(found)


def set_model_tag(layout: Layout, name: str, value: str) -> None:
    """Set tag `name` of the registered model."""
    client = store.client(layout)
    with store.explained(layout):
        client.set_registered_model_tag(layout.workload, name, value)


def _save(model: Path, folder: Path) -> None:
    """An MLflow model folder around `model`, whose bytes stay those that were evaluated."""
    proto = onnx.load(model)
    signature = ModelSignature(
        inputs=Schema([_spec(each) for each in proto.graph.input]),
        outputs=Schema([_spec(each) for each in proto.graph.output]),
    )
    mlflow.onnx.save_model(
        proto,
        folder,
        signature=signature,
        pip_requirements=[f"{name}=={metadata.version(name)}" for name in _REQUIREMENTS],
        onnx_execution_providers=_PROVIDERS,
        save_as_external_data=False,
    )
    shutil.copyfile(model, folder / _MODEL)


def _spec(value: onnx.ValueInfoProto) -> TensorSpec:
    tensor = value.type.tensor_type
    shape = tuple(axis.dim_value or -1 for axis in tensor.shape.dim)
    return TensorSpec(onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type), shape, value.name)


def _ensure_model(client: MlflowClient, name: str) -> None:
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
            raise


def _version(layout: Layout, version: str) -> ModelVersion:
    client = store.client(layout)
    try:
        return client.get_model_version(layout.workload, version)
    except MlflowException as error:
        if error.error_code not in _ABSENT:
            with store.explained(layout):
                raise
    raise TrackingError(
        f"the registry at {store.shown_uri(layout)} has no version {version} of {layout.workload}; "
        "point MLFLOW_TRACKING_URI at the registry it was promoted in, or restore that registry"
    )


def _tags(client: MlflowClient, found: ModelVersion) -> dict[str, str]:
    """The tags of `found`; a server may leave them out of what it has searched."""
    return dict(found.tags or client.get_model_version(found.name, found.version).tags)
