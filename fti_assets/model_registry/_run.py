"""Logs one training as one MLflow run. Nothing here registers a model."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from fti_assets.model_registry._mlflow import quiet
from fti_assets.model_registry.environment import environment
from fti_assets.model_registry.training_record import DatasetReference, TrainingRecord
from fti_assets.vocabulary import Column

CURVE = "curve_"
CARD, SLICES, EXAMPLE, FIGURES = "card.md", "slices.json", "example.parquet", "figures"
ENVIRONMENT, REQUIREMENTS = "environment.txt", "requirements.txt"
_LOADER = "fti_assets.model_registry.pyfunc_loader"
_DIGEST_LENGTH = 36
_PACKAGES = ("fti-assets", "numpy", "pandas", "pyarrow")
_FRAMEWORKS = {".ubj": ("xgboost",), ".safetensors": ("torch", "safetensors"), ".skops": ("scikit-learn", "skops")}
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedFiles:
    """The model as MLflow holds it: its id, where its files lie, and the name, size and SHA-256 of the model file itself.

    Attributes:
        environment_sha256: of the list of installed packages.
    """

    model_id: str
    location: str
    file: str
    bytes: int
    sha256: str
    environment_sha256: str

    @property
    def tags(self) -> dict[str, str]:
        """What is written on the version."""
        return {
            "model_id": self.model_id,
            "model_file": self.file,
            "model_bytes": str(self.bytes),
            "model_sha256": self.sha256,
            "environment_sha256": self.environment_sha256,
        }


def log_run(client: Any, run_id: str, experiment_id: str, name: str, record: TrainingRecord) -> LoggedFiles:
    """Logs parameters, the dataset, figures, the model and, linked to both, the metrics."""
    _log_params(client, run_id, record)
    _log_dataset(client, run_id, record.dataset)
    with TemporaryDirectory() as folder:
        file = record.model.save(Path(folder))
        requirements = record.requirements or _requirements(file)
        environment_sha256 = _log_files(client, run_id, record, requirements)
        logged = _log_model(client, run_id, experiment_id, name, record, file, requirements)
        content = file.read_bytes()
    _log_metrics(client, run_id, logged.model_id, record)
    return LoggedFiles(
        model_id=logged.model_id,
        location=logged.artifact_location,
        file=file.name,
        bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        environment_sha256=environment_sha256,
    )


def _log_params(client: Any, run_id: str, record: TrainingRecord) -> None:
    from mlflow.entities import Param

    for batch in _batches([Param(key, str(value)) for key, value in record.params.items()], 100):
        client.log_batch(run_id, params=batch)


def _log_dataset(client: Any, run_id: str, dataset: DatasetReference) -> None:
    from mlflow.entities import Dataset, DatasetInput, InputTag

    profile = {"num_rows": sum(dataset.rows.values()), **{f"num_rows_{split}": rows for split, rows in dataset.rows.items()}}
    logged = Dataset(
        name=dataset.name,
        digest=dataset.digest[:_DIGEST_LENGTH],
        source_type="local",
        source=json.dumps({"uri": dataset.source}),
        profile=json.dumps(profile),
    )
    client.log_inputs(run_id, [DatasetInput(logged, [InputTag("mlflow.data.context", "training")])])


def _log_files(client: Any, run_id: str, record: TrainingRecord, requirements: Sequence[str]) -> str:
    """Logs figures, card, slices, an example of rows and what is installed, in one go; returns the SHA-256 of the last."""
    import pyarrow.parquet as pq

    installed = environment().encode()
    texts: dict[str, str] = {REQUIREMENTS: "".join(f"{one}\n" for one in requirements)}
    if record.card:
        texts[CARD] = record.card
    if record.slices:
        texts[SLICES] = json.dumps([dict(one) for one in record.slices])
    with TemporaryDirectory() as folder:
        (Path(folder) / ENVIRONMENT).write_bytes(installed)
        for name, text in texts.items():
            (Path(folder) / name).write_text(text)
        pq.write_table(record.example.select([feature.name for feature in record.features]), Path(folder) / EXAMPLE)
        _write_figures(Path(folder) / FIGURES, record.figures)
        client.log_artifacts(run_id, folder)
    return hashlib.sha256(installed).hexdigest()


def _write_figures(folder: Path, figures: Mapping[str, bytes]) -> None:
    for name, content in figures.items():
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.png").write_bytes(content)


def _log_metrics(client: Any, run_id: str, model_id: str, record: TrainingRecord) -> None:
    from mlflow.entities import Metric

    now = int(time.time() * 1000)
    about = {"model_id": model_id, "dataset_name": record.dataset.name, "dataset_digest": record.dataset.digest[:_DIGEST_LENGTH]}
    metrics = [Metric(key, float(value), now, 0, run_id=run_id, **about) for key, value in record.metrics.items()]
    for key, values in record.learning_curve.items():
        metrics += [Metric(f"{CURVE}{key}", float(value), now, step) for step, value in enumerate(values)]
    for batch in _batches(metrics, 1000):
        client.log_batch(run_id, metrics=batch)


def _log_model(
    client: Any, run_id: str, experiment_id: str, name: str, record: TrainingRecord, file: Path, requirements: Sequence[str]
) -> Any:
    from mlflow.entities import LoggedModelOutput

    params = {key: str(value) for key, value in record.params.items()}
    logged = client.create_logged_model(experiment_id, name=name, source_run_id=run_id, params=params, model_type="classifier")
    client.log_outputs(run_id, [LoggedModelOutput(logged.model_id, step=0)])
    try:
        with TemporaryDirectory() as folder:
            _save_pyfunc(Path(folder) / "mlflow", file, run_id, logged, record, requirements)
            client.log_model_artifacts(logged.model_id, str(Path(folder) / "mlflow"))
    except BaseException:
        client.finalize_logged_model(logged.model_id, "FAILED")
        raise
    client.finalize_logged_model(logged.model_id, "READY")
    return logged


def _save_pyfunc(folder: Path, file: Path, run_id: str, logged: Any, record: TrainingRecord, requirements: Sequence[str]) -> None:
    with quiet():
        import mlflow.pyfunc
        from mlflow.models import Model

        mlflow.pyfunc.save_model(
            str(folder),
            loader_module=_LOADER,
            data_path=str(file),
            mlflow_model=Model(
                artifact_path=logged.artifact_location, model_uuid=logged.model_id, run_id=run_id, model_id=logged.model_id
            ),
            metadata={"model_file": file.name, "model_sha256": hashlib.sha256(file.read_bytes()).hexdigest()},
            signature=_signature(record.features),
            input_example=record.example.select([feature.name for feature in record.features]).to_pandas(),
            pip_requirements=list(requirements),
        )


def _signature(features: Sequence[Column]) -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, Schema
    from mlflow.types.schema import AnyType

    # Whole numbers and truth values change their pandas type when one is missing, and MLflow refuses both int64 for a
    # double and float64 for a long: "any" leaves the judgement to the model, which checks the types of its features.
    kinds: dict[str, Any] = {"string": "string", "float": "double"}
    inputs = [ColSpec(kinds.get(feature.type) or AnyType(), feature.name, required=False) for feature in features]
    return ModelSignature(inputs=Schema(inputs), outputs=Schema([ColSpec("double")]))


def _requirements(file: Path) -> tuple[str, ...]:
    """What must be installed to load the model in `file`, in the versions that are installed here."""
    found = []
    for package in (*_PACKAGES, *_FRAMEWORKS.get(file.suffix, ())):
        try:
            found.append(f"{package}=={version(package)}")
        except PackageNotFoundError:
            continue
    return tuple(found)


def _batches(items: list[_T], size: int) -> Iterator[list[_T]]:
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch
