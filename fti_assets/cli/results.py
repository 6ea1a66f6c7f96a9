"""What came out of the main job of a system: the model, the decision about it, and its predictions."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from fti_assets.cli.stores import feature_store, has_registry, model_registry, registry_place
from fti_assets.cli.terminal import share, show_facts, title

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from fti_assets.feature_store import FeatureStore
    from fti_assets.model_registry import ModelVersion


def show_model(name: str) -> None:
    """Prints the newest version of a model, its figures on the test split, and what was decided about it."""
    registry = model_registry() if has_registry() else None
    if registry is None or name not in registry.models():
        return
    version = registry.versions(name)[0]
    title(f"Model {version.name}, version {version.version}")
    show_facts(model_facts(version))


def model_facts(version: ModelVersion) -> dict[str, object]:
    """What is said of a version that was just trained."""
    figures, tags = version.metrics, version.tags
    base_rate, baseline = figures.get("base_rate_test"), figures.get("baseline_auc_test")
    return {
        "alias": ", ".join(version.aliases) or "none",
        "decision": tags.get("decision_reason", "none yet"),
        "AUC on test": figures.get("auc_test"),
        "AUC of base rates": baseline,
        "base rate": share(base_rate) if base_rate is not None else None,
        "dataset": tags.get("dataset_id"),
    }


def show_predictions(names: Iterable[str], instance: DagsterInstance) -> None:
    """Prints how many predictions there are, and how those of the last run turned out."""
    store = feature_store()
    tables = {info.name: info for info in store.tables("predictions")}
    for name in names:
        if name in tables:
            title(f"Predictions {name}")
            show_facts({"rows": tables[name].rows, "last published": _last_window(store, name), **_realised(name, instance)})


def _last_window(store: FeatureStore, name: str) -> str | None:
    for last in store.publications(f"predictions.{name}", limit=1):
        days = f", {last.window.start:%Y-%m-%d %H:%M} to {last.window.end:%Y-%m-%d %H:%M} UTC" if last.window else ""
        return f"{last.rows:,} rows{days}"
    return None


def _realised(name: str, instance: DagsterInstance) -> dict[str, object]:
    """The realised figures of the last run of the monitor of the same name."""
    from dagster import AssetKey

    event = instance.get_latest_materialization_event(AssetKey(["monitoring", name]))
    found = event.asset_materialization.metadata if event and event.asset_materialization else {}
    auc, known = found.get("auc"), found.get("share_of_known_outcomes")
    return {
        "realised AUC": float(auc.value) if auc and isinstance(auc.value, float) else None,
        "known outcomes": share(known.value) if known and isinstance(known.value, float) else None,
    }


def show_next_steps(workspace: Path) -> None:
    """Says where to look: by the Makefile beside the workspace file, or by the commands themselves."""
    made = (workspace.resolve().parent / "Makefile").is_file()
    title("Where to look next")
    show_facts(
        {
            "make ui" if made else f"dg dev -w {workspace}": "assets, lineage, runs and checks in the Dagster UI",
            "make mlflow"
            if made
            else f"mlflow ui --backend-store-uri {registry_place()}": "figures and curves of each training in the MLflow UI",
            "fti status": "the stores at a glance",
        }
    )


def show_results(models: Iterable[str], predictions: Iterable[str], instance: DagsterInstance, workspace: Path) -> None:
    """Prints all of it."""
    for name in models:
        show_model(name)
    show_predictions(predictions, instance)
    show_next_steps(workspace)
