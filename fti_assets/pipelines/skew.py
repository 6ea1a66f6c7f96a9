"""The check for skew as an asset: whether features were served online as training sees them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.definitions.metadata import RawMetadataValue

from fti_assets.feature_store import FeatureStore
from fti_assets.monitoring import Skew, measure_skew
from fti_assets.monitoring.skew import as_rows
from fti_assets.pipelines.audit import Outcome
from fti_assets.pipelines.failures import told_plainly
from fti_assets.pipelines.markdown import table
from fti_assets.pipelines.partitions import dependency
from fti_assets.pipelines.resources import LakeResource
from fti_assets.pipelines.specs import LAKE_WRITER, asset_key, table_spec
from fti_assets.pipelines.training import picture
from fti_assets.vocabulary import FeatureGroup, Reach, SkewMonitor

CHECK = "served_as_trained"


@dataclass(frozen=True, slots=True)
class SkewPipeline:
    """Completes the newest logged requests once more from the lake, and compares.

    Attributes:
        job: name of the job that runs it; that of its location when None.
    """

    monitor: SkewMonitor
    job: str | None = None

    @property
    def groups(self) -> tuple[FeatureGroup, ...]:
        """What is joined; the label is not."""
        view = self.monitor.log.view
        return tuple(group for group in view.groups if group != view.label.group)

    @property
    def upstream(self) -> list[dg.AssetSpec]:
        return [table_spec(self.monitor.log), *map(table_spec, self.groups)]

    def assets(self) -> list[dg.AssetsDefinition]:
        key = asset_key(self.monitor.table.asset_key)
        log = dg.AssetDep(asset_key(self.monitor.log.table.asset_key))
        deps = [log, *(dependency(Reach(group), None) for group in self.groups)]
        check = dg.AssetCheckSpec(CHECK, asset=key, blocking=False, description=_promise(self.monitor))

        @dg.multi_asset(
            name="__".join(self.monitor.table.asset_key),
            specs=[table_spec(self.monitor, deps=deps)],
            check_specs=[check],
            pool=LAKE_WRITER,
        )
        def compare(context: dg.AssetExecutionContext, lake: LakeResource) -> Iterator[Outcome]:
            with told_plainly():
                skew = measure_skew(lake.store, self.monitor, now=datetime.now(UTC))
                self._record(lake.store, skew, context.run.run_id)
                yield dg.MaterializeResult(asset_key=key, metadata=_metadata(skew))
                yield _check(key, self.monitor, skew)

        return [compare]

    def _record(self, store: FeatureStore, skew: Skew, run: str) -> None:
        if skew.features:
            said = self.monitor.description or f"Every check of whether '{self.monitor.log.name}' is served what it was trained on."
            with store.connect() as connection:
                store.append(connection, self.monitor.table, as_rows(self.monitor, skew, run), description=said, run=run)


def skew_monitoring(monitor: SkewMonitor, *, job: str | None = None) -> SkewPipeline:
    """The asset `monitoring/MODEL_skew`: logged features against the point-in-time join at the time of each request.

    What can cause a difference is said in `fti_assets.monitoring.skew`.

    Args:
        monitor: what is compared, and how strictly.
        job: name of a job of its own, whose schedule the location gives; the location's job runs it unless given.
    """
    return SkewPipeline(monitor, job)


def _promise(monitor: SkewMonitor) -> str:
    what = f"at most {monitor.allowed_share:.1%} of the values of a feature differ" if monitor.allowed_share else "no value differs"
    return f"Of what was served, {what} from what the point-in-time join gives for the time of the request."


def _metadata(skew: Skew) -> dict[str, RawMetadataValue]:
    shown: dict[str, RawMetadataValue] = {
        "rows": skew.rows,
        "differing_rows": skew.differing,
        "rows_of_other_view_versions": skew.other_versions,
    }
    if not skew.rows:
        return shown
    worst = skew.worst()
    return {
        **shown,
        "share_of_differing_rows": skew.differing / skew.rows,
        "worst_feature": f"{worst[0].feature}: {worst[0].share:.2%}",
        "logged": f"{skew.first_logged} to {skew.last_logged}",
        "features": dg.MetadataValue.md(_features(skew)),
        "examples": dg.MetadataValue.md(_examples(skew)),
        **_pictures({one.feature: one.share for one in worst if one.share}),
    }


def _pictures(shares: Mapping[str, float]) -> dict[str, RawMetadataValue]:
    if not shares:
        return {}
    from fti_assets.training import figures  # matplotlib takes a second

    return {"picture": picture(figures.skew(shares), "skew")}


def _features(skew: Skew) -> str:
    """One row for each feature, the worst first."""
    counted = ("missing_online", "only_online", "lagging", "ahead", "corrected")
    columns = ("feature", "compared", "differing", "share", *(name.replace("_", " ") for name in counted), "mean age")
    rows = [
        (
            one.feature,
            *(f"{count:,}" for count in (one.rows, one.differing)),
            f"{one.share:.2%}",
            *(f"{getattr(one, name):,}" for name in counted),
            _span(one.mean_age),
        )
        for one in skew.worst()
    ]
    return table(columns, rows, right=len(columns) - 1)


def _examples(skew: Skew) -> str:
    """Differing rows with both values."""
    rows = [
        (one.feature, str(found.online), str(found.offline), _span(found.age), str(found.request_time), _keys(found.keys))
        for one in skew.worst()
        for found in one.examples
    ]
    return table(("feature", "online", "offline", "age", "asked about", "of"), rows, right=0) if rows else "Nothing differs."


def _keys(keys: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in keys.items())


def _span(seconds: float | None) -> str:
    return "" if seconds is None else str(timedelta(seconds=round(seconds)))


def _check(key: dg.AssetKey, monitor: SkewMonitor, skew: Skew) -> dg.AssetCheckResult:
    broken = skew.broken(monitor.allowed_share)
    named = ", ".join(f"{one.feature} ({one.differing:,} of {one.rows:,})" for one in broken[:5])
    more = f" and {len(broken) - 5} more" if len(broken) > 5 else ""
    said = f"Served otherwise than training sees it: {named}{more}." if broken else "Nothing was logged." if not skew.rows else None
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=CHECK,
        passed=not broken,
        severity=dg.AssetCheckSeverity.ERROR,
        description=said,
        metadata={"rows": skew.rows, "differing_rows": skew.differing, "features": len(broken)},
    )
