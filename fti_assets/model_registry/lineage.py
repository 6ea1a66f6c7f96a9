"""Where a version of a model comes from."""

from __future__ import annotations

from dataclasses import dataclass

from fti_assets.model_registry.model_version import ModelVersion


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """What a version was made of, and by what; None where it was not recorded.

    Attributes:
        dataset_hash: content hash of the training dataset.
        snapshot: of the lake, from which the dataset was cut.
        view_version: of the feature view.
        groups: feature groups with their versions, as `origin_weather_v1`.
        program: `module:name` of the training program.
        environment_sha256: of the list of packages that were installed.
        model_sha256: of the model file.
    """

    model: str
    version: int
    dataset_id: str | None
    dataset_hash: str | None
    snapshot: int | None
    view_version: int | None
    groups: tuple[str, ...]
    program: str | None
    code_version: str | None
    dagster_run_id: str | None
    mlflow_run_id: str
    environment_sha256: str | None
    model_file: str | None
    model_sha256: str | None

    @classmethod
    def of(cls, version: ModelVersion) -> Lineage:
        tags = version.tags
        names = (
            "dataset_id",
            "dataset_hash",
            "program",
            "code_version",
            "dagster_run_id",
            "environment_sha256",
            "model_file",
            "model_sha256",
        )
        texts = {name: tags.get(name) for name in names}
        return cls(
            model=version.name,
            version=version.version,
            snapshot=int(tags["snapshot"]) if "snapshot" in tags else None,
            view_version=int(tags["view_version"]) if "view_version" in tags else None,
            groups=tuple(name for name in tags.get("groups", "").split(", ") if name),
            mlflow_run_id=version.run_id,
            **texts,
        )
