"""Batch inference as an asset: the champion scores the rows of a day, with features as known at each row's time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg
import pyarrow as pa
from duckdb import DuckDBPyConnection

from fti_assets.errors import FtiError
from fti_assets.feature_store import FeatureStore, MissingFeaturesError, current_snapshot
from fti_assets.model_registry import LoadedModel
from fti_assets.pipelines.audit import Outcome, publish_audited
from fti_assets.pipelines.partitions import dependency, window_of
from fti_assets.pipelines.resources import LakeResource, RegistryResource
from fti_assets.pipelines.specs import LAKE_WRITER, asset_key, check_specs, table_spec, validation_spec
from fti_assets.pipelines.training import validation_spec_of
from fti_assets.vocabulary import FeatureGroup, Predictions, Reach, Window, quoted


@dataclass(frozen=True, slots=True)
class InferencePipeline:
    """Predictions of a day: published anew whenever the day is materialised again."""

    predictions: Predictions

    @property
    def groups(self) -> tuple[FeatureGroup, ...]:
        """What is read; the label is not."""
        view = self.predictions.model.view
        return (view.spine, *(selection.group for selection in view.joined))

    @property
    def upstream(self) -> list[dg.AssetSpec]:
        return [*map(table_spec, self.groups), validation_spec_of(self.predictions.model)]

    def assets(self) -> list[dg.AssetsDefinition]:
        cadence = self.predictions.table.cadence
        # What is known at a row's time may stand in the partition of the day before.
        features = [
            dependency(Reach(group, days=1 if group.cadence and group != self.groups[0] else 0), cadence) for group in self.groups
        ]
        decision = asset_key(self.predictions.model.validation_key)
        specs = [
            table_spec(
                self.predictions,
                deps=[*features, dg.AssetDep(decision)],
                skippable=True,
                automation_condition=_follow_features(decision),
            )
        ]
        if self.predictions.contract.expectations:
            specs.append(validation_spec(self.predictions, deps=[*features, dg.AssetDep(decision)]))

        @dg.multi_asset(
            name="__".join(self.predictions.table.asset_key),
            specs=specs,
            check_specs=check_specs(self.predictions),
            pool=LAKE_WRITER,
            backfill_policy=dg.BackfillPolicy.single_run(),
        )
        def predict(context: dg.AssetExecutionContext, lake: LakeResource, registry: RegistryResource) -> Iterator[Outcome]:
            try:
                champion = registry.registry.load(self.predictions.model.name, "champion")
                yield from self._predict(context, lake.store, champion)
            except FtiError as error:
                raise dg.Failure(description=str(error), allow_retries=False) from error

        return [predict]

    def _predict(self, context: dg.AssetExecutionContext, store: FeatureStore, champion: LoadedModel) -> Iterator[Outcome]:
        window = window_of(context)
        assert window is not None  # predictions have a cadence
        with store.reading() as connection:
            rows = self._score(store, connection, champion, window)
        with store.connect() as connection:
            yield from publish_audited(context, store, connection, self.predictions, rows, window)

    def _score(self, store: FeatureStore, connection: DuckDBPyConnection, champion: LoadedModel, window: Window) -> pa.Table:
        view = self.predictions.model.view
        _require_features(store, connection, self.groups, view.at, window)
        rows = store.complete(connection, store.read(connection, view.spine.table, window), view).to_arrow_table()
        if rows.num_rows == 0:
            raise MissingFeaturesError(
                f"'{view.spine.table}' has no rows for {window}, so there is nothing to predict.",
                next_step=f"Materialise '{'/'.join(view.spine.table.asset_key)}' for these days.",
            )
        own = {
            "prediction": pa.array(champion.predict(rows), pa.float64()),
            "model_version": _constant(champion.version.version, rows.num_rows),
            "view_version": _constant(view.version, rows.num_rows),
            "snapshot": _constant(current_snapshot(connection), rows.num_rows),
            "predicted_at": pa.array([datetime.now(UTC)] * rows.num_rows, pa.timestamp("us", tz="UTC")),
        }
        return pa.table({c.name: own[c.name] if c.name in own else rows[c.name] for c in self.predictions.table.columns})


def batch_inference(predictions: Predictions) -> InferencePipeline:
    """The asset of batch predictions: the champion on the spine's rows of each day, through the same join as in training."""
    return InferencePipeline(predictions)


def _follow_features(decision: dg.AssetKey) -> dg.AutomationCondition:  # type: ignore[type-arg]
    """When the features of the last day have been published anew; never because of a new champion, and never waiting for one.

    `eager()` and `on_cron()` do not fit: the first scores everything again after each promotion, the second waits for every
    parent, the weekly model included.
    """
    model = dg.AssetSelection.assets(decision)
    return (
        dg.AutomationCondition.in_latest_time_window()
        & dg.AutomationCondition.any_deps_updated().ignore(model).since_last_handled()
        & ~dg.AutomationCondition.any_deps_missing()
        & ~dg.AutomationCondition.any_deps_in_progress().ignore(model)
        & ~dg.AutomationCondition.in_progress()
    ).with_label("follow the features of the day")


def _require_features(
    store: FeatureStore, connection: DuckDBPyConnection, groups: tuple[FeatureGroup, ...], at: str, window: Window
) -> None:
    spine = groups[0].table
    for group in groups:
        needed = window
        if group is not groups[0] and store.exists(connection, spine):
            first, last = store.read(connection, spine, window).aggregate(f"min({quoted(at)}), max({quoted(at)})").fetchone() or (
                None,
                None,
            )
            needed = Window(min(first, window.start), min(last, window.end)) if first and last > first else window
        missing = store.unpublished_days(connection, group.table, needed)
        if missing:
            shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
            raise MissingFeaturesError(
                f"'{group.table}' is not published for {shown}, so {window} cannot be predicted.",
                next_step=f"Materialise '{'/'.join(group.table.asset_key)}' for these days first.",
            )


def _constant(value: int, rows: int) -> pa.Array:
    return pa.repeat(pa.scalar(value, pa.int64()), rows)
