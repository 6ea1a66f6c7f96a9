"""The inference log as an asset: what servers wrote since the last time becomes rows of the lake."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg
from dagster._core.definitions.metadata import RawMetadataValue
from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

from fti_assets.monitoring import Landed, land
from fti_assets.monitoring.inference_log import QUARANTINE, abandoned, segments
from fti_assets.pipelines.audit import Outcome
from fti_assets.pipelines.failures import told_plainly
from fti_assets.pipelines.promotion import decision_spec
from fti_assets.pipelines.resources import InferenceLogResource, LakeResource
from fti_assets.pipelines.specs import LAKE_WRITER, asset_key, online_spec, table_spec
from fti_assets.vocabulary import InferenceLog

CHECK = "every_line_is_one"


@dataclass(frozen=True, slots=True)
class InferenceLogPipeline:
    """Lands the log of a model: once each time it is materialised, of all servers.

    Attributes:
        job: name of the job that runs it; that of its location when None.
    """

    log: InferenceLog
    job: str | None = None

    @property
    def upstream(self) -> list[dg.AssetSpec]:
        """The champion and the online tables, from which a server answers."""
        groups = [group for group in self.log.view.groups if group.online and group != self.log.view.label.group]
        return [decision_spec(self.log.model), *map(online_spec, groups)]

    def assets(self) -> list[dg.AssetsDefinition]:
        key = asset_key(self.log.table.asset_key)
        check = dg.AssetCheckSpec(CHECK, asset=key, blocking=False, description="No line had to be put into quarantine.")

        @dg.multi_asset(
            name="__".join(self.log.table.asset_key),
            specs=[table_spec(self.log, deps=[dg.AssetDep(spec.key) for spec in self.upstream])],
            check_specs=[check],
            pool=LAKE_WRITER,
        )
        def collect(
            context: dg.AssetExecutionContext, lake: LakeResource, inference_logs: InferenceLogResource
        ) -> Iterator[Outcome]:
            with told_plainly():
                folder = inference_logs.folder(self.log.name)
                landed = land(lake.store, self.log, folder, run=context.run.run_id)
                yield dg.MaterializeResult(asset_key=key, metadata=_metadata(landed, len(segments(folder))))
                yield _check(key, landed)

        return [collect]

    def sensors(self, job: UnresolvedAssetJobDefinition) -> list[dg.SensorDefinition]:
        """The other way than a schedule: lands as soon as a segment is closed."""
        return [log_sensor(job, self.log.name)]


def inference_log(log: InferenceLog, *, job: str | None = None) -> InferenceLogPipeline:
    """The asset `inference_log/MODEL`: lands what servers logged, each row once.

    Args:
        log: its contract.
        job: name of a job of its own, whose schedule the location gives; the location's job runs it unless given.
    """
    return InferenceLogPipeline(log, job)


def log_sensor(job: UnresolvedAssetJobDefinition, model: str) -> dg.SensorDefinition:
    """Requests a landing when there are segments that no server writes to any more, one run at a time."""

    @dg.sensor(name=f"{job.name}_sensor", job=job, minimum_interval_seconds=30)
    def closed(context: dg.SensorEvaluationContext, inference_logs: InferenceLogResource) -> dg.RunRequest | dg.SkipReason:
        folder = inference_logs.folder(model)
        if not segments(folder) and not abandoned(folder):
            return dg.SkipReason("No segment is closed.")
        runs = context.instance.get_runs(filters=dg.RunsFilter(job_name=job.name), limit=1)
        if runs and not runs[0].is_finished:
            return dg.SkipReason(f"Run {runs[0].run_id} of '{job.name}' is landing the log.")
        return dg.RunRequest(job_name=job.name)

    return closed


def _metadata(landed: Landed, waiting: int) -> dict[str, RawMetadataValue]:
    now = datetime.now(UTC)
    return {
        "rows": landed.rows,
        "repeated": landed.repeated,
        "segments": landed.segments,
        "segments_of_dead_servers": landed.abandoned,
        "torn_lines": landed.torn,
        "malformed_lines": landed.malformed,
        "segments_waiting": waiting,
        **({"lag_seconds": round((now - landed.last).total_seconds(), 1)} if landed.last else {}),
        **({"oldest_seconds": round((now - landed.first).total_seconds(), 1)} if landed.first else {}),
    }


def _check(key: dg.AssetKey, landed: Landed) -> dg.AssetCheckResult:
    said = f"Malformed lines: {landed.malformed:,}. They are in the folder '{QUARANTINE}' of the log, each with its reason."
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=CHECK,
        passed=not landed.malformed,
        severity=dg.AssetCheckSeverity.WARN,
        description=said if landed.malformed else None,
        metadata={"malformed_lines": landed.malformed},
    )
