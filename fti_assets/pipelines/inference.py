"""Batch inference as an asset: the champion scores the rows of a day, with features as known at each row's time."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
import pyarrow as pa
from duckdb import DuckDBPyConnection, DuckDBPyRelation

from fti_assets.feature_store import FeatureStore, MissingFeaturesError, current_snapshot
from fti_assets.model_registry import LoadedModel
from fti_assets.pipelines.audit import Outcome, publish_audited
from fti_assets.pipelines.failures import told_plainly
from fti_assets.pipelines.inputs import require_published
from fti_assets.pipelines.partitions import dependency, window_of
from fti_assets.pipelines.promotion import decision_spec
from fti_assets.pipelines.resources import LakeResource, RegistryResource
from fti_assets.pipelines.specs import LAKE_WRITER, asset_key, check_specs, table_spec, validation_spec
from fti_assets.vocabulary import FeatureGroup, Predictions, Reach, Window, quoted


@dataclass(frozen=True, slots=True)
class InferencePipeline:
    """Predictions of a day: published anew whenever the day is materialised again."""

    predictions: Predictions

    @property
    def groups(self) -> tuple[FeatureGroup, ...]:
        """What is read; the label is not."""
        view = self.predictions.model.view
        return tuple(group for group in view.groups if group != view.label.group)

    @property
    def upstream(self) -> list[dg.AssetSpec]:
        return [*map(table_spec, self.groups), decision_spec(self.predictions.model)]

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
            with told_plainly():
                champion = registry.registry.load(self.predictions.model.name, "champion")
                yield from self._predict(context, lake.store, champion)

        return [predict]

    def _predict(self, context: dg.AssetExecutionContext, store: FeatureStore, champion: LoadedModel) -> Iterator[Outcome]:
        window = window_of(context)
        assert window is not None  # predictions have a cadence
        store.register_reader("predictions", self.predictions.name, self.predictions.model.view)
        with store.reading() as connection:
            rows = self._score(store, connection, champion, window)
        with store.connect() as connection:
            yield from publish_audited(context, store, connection, self.predictions, rows, window, may_be_empty=True)

    def _score(self, store: FeatureStore, connection: DuckDBPyConnection, champion: LoadedModel, window: Window) -> pa.Table:
        view, spine = self.predictions.model.view, self.predictions.model.view.spine.table
        require_published(store, connection, spine, window)
        scheduled = store.read(connection, spine, window)
        instants = _instants(scheduled, view.at)
        if instants is None:
            raise MissingFeaturesError(
                f"'{spine}' has no rows for {window}, so there is nothing to predict.",
                next_step=f"Materialise '{'/'.join(spine.asset_key)}' again once its source has rows for these days.",
            )
        for group in self.groups[1:]:
            require_published(store, connection, group.table, instants)
        rows = store.complete(connection, scheduled, view).to_arrow()
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


def _instants(rows: DuckDBPyRelation, at: str) -> Window | None:
    """From the earliest to the latest instant at which a row is completed; None where there are no rows."""
    first, last = rows.aggregate(f"min({quoted(at)}), max({quoted(at)})").fetchone() or (None, None)
    return None if first is None or last is None else Window(first, last + timedelta(microseconds=1))


def _constant(value: int, rows: int) -> pa.Array:
    return pa.repeat(pa.scalar(value, pa.int64()), rows)
