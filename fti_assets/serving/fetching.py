"""Fetches a version from the registry into a folder of the server's own. It runs as a process of its own, for some seconds.

MLflow and the training frameworks take seconds and hundreds of megabytes to be imported; so the server does not. The version is
verified, translated into a quicker form where that is possible, and held against itself, all before the server hears of it.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from fti_assets.errors import DefinitionError, FtiError
from fti_assets.file_hash import sha256_of
from fti_assets.serving.version_files import CHECK, KeptVersion, VersionFolder

if TYPE_CHECKING:
    import pyarrow as pa

    from fti_assets.model_registry import ModelRegistry, ModelVersion
    from fti_assets.predictive_models import PredictiveModel


def fetch(registry: ModelRegistry, version: ModelVersion, kept: VersionFolder) -> KeptVersion:
    """Keeps a version, unless it is kept already.

    Raises:
        TamperedModelError: its file is not the one that was registered.
        ModelFileError: its file cannot be read.
    """
    kept.folder.mkdir(parents=True, exist_ok=True)
    with FileLock(kept.folder / ".fetching.lock"):  # each worker of a server may ask for it
        found = kept.find(version.version, version.tags.get("model_sha256", ""))
        if found is not None:
            return found
        content = registry.model_file(version)
        made = kept.folder / f".{version.version}"
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir()
        try:
            return kept.keep(made, _prepare(registry, version, content, made))
        finally:
            shutil.rmtree(made, ignore_errors=True)


def _prepare(registry: ModelRegistry, version: ModelVersion, content: bytes, made: Path) -> KeptVersion:
    from fti_assets.predictive_models import read_model
    from fti_assets.serving.check_rows import check_rows, plain_predictions

    file = version.tags["model_file"]
    (made / file).write_bytes(content)
    model = read_model(file, content, source=str(version))
    rows = check_rows(model, _example(registry, version))
    predicted = plain_predictions(model, rows).tolist()
    (made / CHECK).write_text(json.dumps({"rows": rows, "predictions": predicted}))
    translation, untranslated = _translate(model, rows, predicted, made)
    return KeptVersion(
        folder=made,
        model=version.name,
        version=version.version,
        view_version=_number(version.tags.get("view_version")),
        file=file,
        kind=type(model).__name__,
        sha256={one.name: sha256_of(one) for one in sorted(made.iterdir())},
        translation=translation,
        untranslated=untranslated,
        registered_at=version.created_at.isoformat(timespec="seconds"),
    )


def _translate(model: PredictiveModel, rows: list[list[Any]], predicted: list[float], made: Path) -> tuple[str, str]:
    """Writes a quicker form of the model: trees as a forest, a network as ONNX. Returns its file, or why there is none."""
    from fti_assets.predictive_models import XGBoostModel, to_forest, to_onnx
    from fti_assets.serving.check_rows import TOLERANCE, as_columns, furthest
    from fti_assets.transformations import RowEncoder

    try:
        translated = to_forest(model) if isinstance(model, XGBoostModel) else to_onnx(model)
    except DefinitionError as error:
        return "", str(error)
    features = [feature.name for feature in model.transformations.features]
    matrix = RowEncoder(translated.transformations).matrix(as_columns(rows, features, features))
    distance = furthest(translated.predict_matrix(matrix), predicted)
    if distance > TOLERANCE:
        return "", f"Its translation, a {type(translated).__name__}, is up to {distance:.1e} away; {TOLERANCE:.0e} is allowed."
    return translated.save(made).name, ""


def _example(registry: ModelRegistry, version: ModelVersion) -> pa.Table | None:
    import pyarrow.parquet as pq

    content = registry.example(version)
    return None if content is None else pq.read_table(BytesIO(content))


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isdecimal() else None


def answer(asked: Mapping[str, Any]) -> dict[str, Any]:
    """What is asked on standard input, answered: a version fetched, or the aliases of a model.

    Args:
        asked: `tracking_uri`, `model`, and `folder` with `version`, or neither for the aliases.
    """
    from fti_assets.model_registry import ModelRegistry
    from fti_assets.model_registry.pointers import asked_pointers

    registry, name = ModelRegistry(asked["tracking_uri"]), str(asked["model"])
    if "version" not in asked:
        pointers = asked_pointers(registry, name)
        return {"pointers": {alias: [one.version, one.sha256] for alias, one in pointers.items()}}
    kept = fetch(registry, registry.get(name, int(asked["version"])), VersionFolder(Path(asked["folder"]), name))
    return {"version": kept.version, "sha256": kept.model_sha256}


def main() -> None:
    os.nice(5)  # requests come first
    try:
        said = answer(json.load(sys.stdin))
    except FtiError as error:
        said = {"error": str(error), "kind": type(error).__name__}
    except Exception as error:  # noqa: BLE001 - MLflow and its stores raise what they like; the server hears of it and serves on
        said = {"error": f"{type(error).__name__}: {error}"[:2000], "kind": "unreachable"}
    sys.stdout.write(f"\n{json.dumps(said)}\n")


if __name__ == "__main__":
    main()
