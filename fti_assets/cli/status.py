"""`fti status`: the stores at a glance."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from fti_assets.cli.options import WORKSPACE, Workspace
from fti_assets.cli.stores import (
    dagster_home,
    dagster_instance,
    data_root,
    feature_store,
    has_registry,
    landing_zone,
    model_registry,
)
from fti_assets.cli.terminal import console, say, show_table, size, title
from fti_assets.errors import FtiError

if TYPE_CHECKING:
    from dagster import RunRecord

    from fti_assets.feature_store import FeatureStore, TableInfo
    from fti_assets.model_registry import ModelVersion

EXAMPLES = """
[bold]Example:[/bold]

fti status
"""
RUNS = 8
FAILED_CHECKS = 10


def status(workspace: Workspace = WORKSPACE) -> None:
    """Show what is in the stores: landed days, tables, models, last runs, failed checks."""
    say(f"Stores in {data_root().resolve()}", "bold")
    _show_landing()
    store = feature_store()
    tables = store.tables()
    _show_tables(store, tables)
    _show_models()
    _show_runs(workspace)
    if "validation.results" in map(str, tables):
        _show_failed_checks(store)


def _show_landing() -> None:
    title("Landing")
    days = list(landing_zone().days())
    if days:
        say(f"{len(days):,} complete days, {days[0]} to {days[-1]}, in {landing_zone().root}.")
    else:
        say("No day has landed. `fti land` delivers the flights of 2013.")


def _show_tables(store: FeatureStore, tables: list[TableInfo]) -> None:
    title("Lake")
    if not tables:
        say("No table is published. `fti run SYSTEM` makes them.")
        return
    published = store.last_published()
    rows: list[tuple[object, ...]] = []
    before = ""
    for info in tables:
        rows.append(
            (
                info.schema if info.schema != before else "",
                info.name,
                info.rows,
                info.files,
                size(info.bytes),
                published.get(str(info)),
            )
        )
        before = info.schema
    show_table(["schema", "table", "rows", "files", "size", "last published (UTC)"], rows, right=("size",))


def _show_models() -> None:
    title("Models")
    if not has_registry():
        say("No model is registered. `fti run SYSTEM --only training` trains one.")
        return
    with console().status("Asking the model registry"):
        registry = model_registry()
        versions = {name: registry.versions(name) for name in registry.models()}
    show_table(
        ["model", "versions", "champion", "its AUC on test", "newest", "decision"], [_model(n, v) for n, v in versions.items()]
    )


def _model(name: str, versions: list[ModelVersion]) -> tuple[object, ...]:
    champion = next((version for version in versions if "champion" in version.aliases), None)
    auc = champion.metrics.get("auc_test") if champion else None
    decision = versions[0].tags.get("decision", "none yet")
    return name, len(versions), champion.version if champion else "none", auc, versions[0].version, decision


def _show_runs(workspace: Path) -> None:
    title("Last runs")
    try:
        dagster_home(workspace)
    except FtiError as error:
        say(str(error))
        return
    with dagster_instance(workspace) as instance:
        records = instance.get_run_records(limit=RUNS)
    if records:
        show_table(["job", "days", "status", "started (UTC)", "seconds", "run"], map(_run, records), right=("seconds",))
    else:
        say("Nothing has run yet. `fti run SYSTEM` runs a system.")


def _run(record: RunRecord) -> tuple[object, ...]:
    run = record.dagster_run
    first, last = (run.tags.get(f"dagster/asset_partition_range_{end}") for end in ("start", "end"))
    days = f"{first} to {last}" if first else run.tags.get("dagster/partition", "")
    started = datetime.fromtimestamp(record.start_time, UTC) if record.start_time else None
    seconds = f"{record.end_time - record.start_time:.1f}" if record.start_time and record.end_time else None
    return run.job_name, days, run.status.value.lower(), started, seconds, run.run_id[:8]


def _show_failed_checks(store: FeatureStore) -> None:
    title("Failed checks")
    with store.connect() as connection:
        failed = connection.execute(_FAILED).fetchall()
    if failed:
        columns = ["table", "expectation", "severity", "days", "last", "what was seen then"]
        show_table(columns, failed[:FAILED_CHECKS], whole=("expectation", "last"))
    else:
        say("None: every expectation holds on what was validated last.")
    if len(failed) > FAILED_CHECKS:
        say(f"and {len(failed) - FAILED_CHECKS:,} more, in validation.results.", "dim")


_FAILED = """
-- one row per table and expectation that does not hold on some partition, as last validated; critical ones first
SELECT table_name, expectation, severity, count(*), max(partition), max_by(observed, partition)
FROM (
    FROM lake.validation.results
    QUALIFY row_number() OVER (PARTITION BY table_name, partition, expectation ORDER BY validated_at DESC) = 1
)
WHERE NOT passed GROUP BY ALL ORDER BY severity, count(*) DESC, table_name, expectation
"""
