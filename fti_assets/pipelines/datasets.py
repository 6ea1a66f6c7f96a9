"""The training dataset as an asset: a view cut at one snapshot, audited, and described in the UI."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.definitions.metadata import RawMetadataValue
from pydantic import Field

from fti_assets.feature_store import Manifest
from fti_assets.pipelines.audit import Outcome
from fti_assets.pipelines.failures import told_plainly
from fti_assets.pipelines.partitions import cutoff_at
from fti_assets.pipelines.resources import LakeResource
from fti_assets.pipelines.specs import asset_key, dataset_spec, table_spec
from fti_assets.version import code_version
from fti_assets.vocabulary import Daily, TrainingDataset, column_sources

PROMISES = {
    "no_feature_from_the_future": "No row holds a feature that became known after its prediction time.",
    "labels_known_at_cutoff": "Every label was mature and known at the cut-off.",
    "rows_in_their_split": "Every row belongs to the split that it is in; split by time, no later row trains.",
}


class DatasetConfig(dg.Config):
    """Run configuration of a training dataset."""

    cutoff: str | None = Field(
        default=None,
        description="Day (YYYY-MM-DD) before which rows and labels count; the end of the calendar, or today, unless given.",
    )
    snapshot: int | None = Field(default=None, description="Snapshot of the lake to cut from; the newest unless given.")


@dataclass(frozen=True, slots=True)
class DatasetPipeline:
    """Cuts a training dataset whenever it is materialised; what was cut before stays."""

    dataset: TrainingDataset

    @property
    def op_name(self) -> str:
        return "__".join(self.dataset.asset_key)

    @property
    def upstream(self) -> list[dg.AssetSpec]:
        return [table_spec(group) for group in self.dataset.view.groups]

    def assets(self) -> list[dg.AssetsDefinition]:
        key = asset_key(self.dataset.asset_key)
        spec = dataset_spec(self.dataset, deps=[dg.AssetDep(asset_key(g.table.asset_key)) for g in self.dataset.view.groups])

        @dg.multi_asset(
            name=self.op_name,
            specs=[spec],
            check_specs=[dg.AssetCheckSpec(name, asset=key, description=text, blocking=True) for name, text in PROMISES.items()],
        )
        def cut(config: DatasetConfig, lake: LakeResource) -> Iterator[Outcome]:
            with told_plainly():
                yield from self._cut(config, lake)

        return [cut]

    def _cut(self, config: DatasetConfig, lake: LakeResource) -> Iterator[Outcome]:
        key, store = asset_key(self.dataset.asset_key), lake.store
        folder, manifest = store.cut(self.dataset, self._cutoff(config), code_version=code_version(), snapshot=config.snapshot)
        for promise, rows in store.audit(folder, self.dataset.view).items():
            yield dg.AssetCheckResult(asset_key=key, check_name=promise, passed=rows == 0, metadata={"rows": rows})
        yield dg.MaterializeResult(
            asset_key=key, metadata=self._metadata(folder, manifest), data_version=dg.DataVersion(manifest.content_hash)
        )

    def _cutoff(self, config: DatasetConfig) -> date:
        return Daily.day(config.cutoff) if config.cutoff else cutoff_at(self.dataset.calendar, datetime.now(UTC))

    def op_config(self, at: datetime) -> dict[str, Any]:
        """Configuration, by op, with which a run for the instant `at` cuts what was known before that day."""
        return {self.op_name: {"config": {"cutoff": cutoff_at(self.dataset.calendar, at).isoformat()}}}

    def _metadata(self, folder: Path, manifest: Manifest) -> dict[str, RawMetadataValue]:
        view = self.dataset.view
        columns = [*view.feature_columns, view.label_column]
        lineage = {
            name: [dg.TableColumnDep(asset_key=asset_key(group.table.asset_key), column_name=column) for group, column in sources]
            for name, sources in column_sources(view).items()
        }
        return {
            "dataset_id": manifest.id,
            "content_hash": manifest.content_hash,
            "snapshot": manifest.snapshot,
            "cutoff": manifest.cutoff,
            "splits": dg.MetadataValue.md(_table(manifest)),
            "unlabelled_rows": manifest.unlabelled_rows,
            "groups": dg.MetadataValue.json(dict(manifest.groups)),
            "dagster/row_count": sum(manifest.rows.values()),
            "dagster/uri": str(folder),
            "dagster/column_schema": dg.TableSchema([dg.TableColumn(c.name, c.type, description=c.description) for c in columns]),
            "dagster/column_lineage": dg.TableColumnLineage(lineage),
        }


def training_dataset(dataset: TrainingDataset) -> DatasetPipeline:
    """The asset of a training dataset."""
    return DatasetPipeline(dataset)


def _table(manifest: Manifest) -> str:
    head = "| split | from | until | rows | positive |\n| --- | --- | --- | ---: | ---: |"
    rows = [
        f"| {name} | {start[:10]} | {end[:10]} | {manifest.rows[name]:,} | {manifest.positive_share[name]:.1%} |"
        for name, (start, end) in manifest.splits.items()
    ]
    return "\n".join([head, *rows])
