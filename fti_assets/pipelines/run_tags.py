"""What is written on the MLflow runs of a Dagster run."""

import dagster as dg

_ROOT, _PARTITION = "dagster/root_run_id", "dagster/partition"


def run_tags(context: dg.AssetExecutionContext) -> dict[str, str]:
    """By which the same work is known again: a run that is executed once more has a new id, but the root of the first."""
    run = context.run
    partition = {"partition": run.tags[_PARTITION]} if _PARTITION in run.tags else {}
    root = run.tags.get(_ROOT, run.run_id)
    return {"asset": "/".join(context.asset_key.path), "dagster_run_id": run.run_id, "dagster_root_run_id": root, **partition}
