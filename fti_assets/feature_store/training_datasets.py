"""Training datasets: a view cut at one snapshot, split by time, stored with a manifest, never changed afterwards."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from duckdb import DuckDBPyConnection
from pyarrow import compute as pc
from pyarrow import parquet

from fti_assets.errors import not_found
from fti_assets.feature_store.errors import MissingFeaturesError
from fti_assets.feature_store.lake import current_snapshot, in_memory_connection, table_exists, within
from fti_assets.feature_store.point_in_time import complete, event_time_column
from fti_assets.vocabulary import FeatureView, SplitName, TrainingDataset, Window, quoted

LABEL_TIME = "label__event_time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a stored training dataset is: enough to cut it again and to see that it is the same.

    Attributes:
        content_hash: SHA-256 of all values of all splits, independent of the file format.
        leaks: rows with a feature from after their own time; always 0 in a stored dataset.
    """

    id: str
    dataset: str
    view: str
    view_version: int
    groups: Mapping[str, int]
    snapshot: int
    cutoff: str
    splits: Mapping[str, tuple[str, str]]
    rows: Mapping[str, int]
    positive_share: Mapping[str, float]
    unlabelled_rows: int
    features: tuple[str, ...]
    label: str
    content_hash: str
    code_version: str
    created_at: str
    leaks: int = 0


def cut(
    connection: DuckDBPyConnection, dataset: TrainingDataset, cutoff: date, folder: Path, *, code_version: str
) -> tuple[Path, Manifest]:
    """Cuts `dataset` from the snapshot that `connection` reads and stores it in a new folder below `folder`.

    Rows are those of the spine before the day `cutoff` whose label was known by then; the last days test, see `TimeSplit`.

    Returns:
        The folder with one Parquet file for each split and `manifest.json`, and the manifest.

    Raises:
        MissingFeaturesError: a split has no labelled row, or a group was never published.
        AssertionError: a feature is from after its row's time (never stored).
    """
    windows = dataset.split.windows(dataset.calendar, cutoff)
    total = _complete(connection, dataset.view, Window(windows["train"].start, windows["test"].end), windows["test"].end)
    leaks = count_leaks(connection, dataset.view)
    if leaks:
        raise AssertionError(f"{leaks:,} rows of '{dataset.name}' hold a feature from after their time; nothing was stored.")
    folder.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".cutting-", dir=folder))
    try:
        manifest = _store(connection, dataset, windows, cutoff, work, code_version, total)
        target = folder / manifest.id
        if not target.exists():  # the same content at the same snapshot is the same dataset
            work.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target, manifest


def count_leaks(connection: DuckDBPyConnection, view: FeatureView) -> int:
    """Rows of the completed spine that hold a feature known only after the row's time."""
    at = quoted(view.at)
    later = [f'"{event_time_column(s.group)}" > {at}' for s in view.joined if s.group.event_time]
    row = connection.execute(f"SELECT count(*) FROM labelled WHERE {' OR '.join(later) or 'false'}").fetchone()
    return int(row[0]) if row else 0


def _complete(connection: DuckDBPyConnection, view: FeatureView, window: Window, cutoff: datetime) -> int:
    """Makes the temporary table `labelled`: spine, features, label and the label's event time. Returns the spine's rows."""
    group, spine = view.label.group, view.spine.table
    for table in (spine, group.table):
        if not table_exists(connection, table.schema, table.name):
            raise MissingFeaturesError(f"'{table}' was never published.", next_step="Materialise it first.")
    assert spine.time is not None
    rows = connection.sql(f"SELECT * FROM {spine.sql} WHERE {within(spine.time, window)}")
    completed = complete(connection, rows, view)
    keys = ", ".join(map(quoted, group.entity.key_names))
    known = f"{quoted(group.event_time)} AS {LABEL_TIME}" if group.event_time else f"NULL::TIMESTAMPTZ AS {LABEL_TIME}"
    where = f"WHERE {quoted(group.event_time)} <= $cutoff" if group.event_time else ""
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE labelled AS
        SELECT * FROM completed JOIN (
            SELECT {keys}, {quoted(view.label_column.name)}, {known} FROM {group.table.sql} {where}
            QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY {LABEL_TIME} DESC) = 1
        ) USING ({keys})
        WHERE {quoted(view.label_column.name)} IS NOT NULL
        ORDER BY {", ".join(map(quoted, dict.fromkeys([spine.time, *spine.key])))}""",
        {"cutoff": cutoff} if group.event_time else {},
    )
    return int(completed.shape[0])


def _store(
    connection: DuckDBPyConnection,
    dataset: TrainingDataset,
    windows: dict[SplitName, Window],
    cutoff: date,
    folder: Path,
    code_version: str,
    total: int,
) -> Manifest:
    view, digest = dataset.view, hashlib.sha256()
    rows: dict[str, int] = {}
    positive: dict[str, float] = {}
    for name, window in windows.items():
        table = _split(connection, view, window)
        if table.num_rows == 0:
            raise MissingFeaturesError(
                f"The {name} split of '{dataset.name}' ({window}) has no labelled row.",
                next_step=f"Materialise '{view.spine.table}' and '{view.label.group.table}' for these days.",
            )
        _add_content(digest, name, table)
        parquet.write_table(table, folder / f"{name}.parquet", compression="zstd")
        rows[name] = table.num_rows
        positive[name] = _mean(table[view.label_column.name])
    snapshot = current_snapshot(connection)
    content = digest.hexdigest()
    manifest = Manifest(
        id=f"{cutoff}-s{snapshot}-{content[:8]}",
        dataset=dataset.name,
        view=view.name,
        view_version=view.version,
        groups={group.name: group.version for group in view.groups},
        snapshot=snapshot,
        cutoff=windows["test"].end.isoformat(),
        splits={name: (window.start.isoformat(), window.end.isoformat()) for name, window in windows.items()},
        rows=rows,
        positive_share=positive,
        unlabelled_rows=total - sum(rows.values()),
        features=view.feature_names,
        label=view.label_column.name,
        content_hash=content,
        code_version=code_version,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    (folder / "manifest.json").write_text(json.dumps(asdict(manifest), indent=2))
    return manifest


def _split(connection: DuckDBPyConnection, view: FeatureView, window: Window) -> pa.Table:
    time = view.spine.table.time
    assert time is not None
    rows = connection.execute(  # in the order of `labelled`
        f"SELECT * FROM labelled WHERE {quoted(time)} >= $start AND {quoted(time)} < $end",
        {"start": window.start, "end": window.end},
    )
    return rows.to_arrow_table()


def _mean(values: pa.ChunkedArray) -> float:
    return float(pc.mean(pc.cast(values, pa.float64())).as_py())


def _add_content(digest: Any, split: str, table: pa.Table) -> None:
    """Adds names, types and values to a digest, whatever the chunks, and whatever lies under a null."""
    for name, column in zip(table.column_names, table.columns, strict=True):
        values = column.combine_chunks()
        if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
            known = pc.sort_indices(pc.unique(values.drop_null()))
            words = pc.unique(values.drop_null()).take(known)
            digest.update("\0".join(words.to_pylist()).encode())
            values = pc.index_in(values, value_set=words)
        digest.update(f"{split}.{name}:{values.type}:{len(values)}".encode())
        digest.update(pc.is_valid(values).to_numpy(zero_copy_only=False).tobytes())
        digest.update(pc.fill_null(values, _zero(values.type)).to_numpy(zero_copy_only=False).tobytes())


def _zero(kind: pa.DataType) -> pa.Scalar:
    return pa.scalar(0, pa.int32() if pa.types.is_date32(kind) else pa.int64()).cast(kind)


def audit(folder: Path, view: FeatureView) -> dict[str, int]:
    """Counts, in SQL over the stored files, the rows that break a promise of a training dataset.

    Returns:
        By promise: `no_feature_from_the_future`, `labels_known_at_cutoff`, `splits_in_order` (rows outside their split).
    """
    manifest = read_manifest(folder)
    at, time = quoted(view.at), quoted(view.spine.table.time or view.at)
    future = " OR ".join(f'"{event_time_column(s.group)}" > {at}' for s in view.joined if s.group.event_time) or "false"
    counts = {"no_feature_from_the_future": 0, "labels_known_at_cutoff": 0, "splits_in_order": 0}
    with in_memory_connection() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for name, (start, end) in manifest.splits.items():
            row = connection.execute(
                f"""SELECT count(*) FILTER ({future}), count(*) FILTER ({LABEL_TIME} > $cutoff::TIMESTAMPTZ),
                count(*) FILTER ({time} < $start::TIMESTAMPTZ OR {time} >= $end::TIMESTAMPTZ) FROM read_parquet($file)""",
                {"cutoff": manifest.cutoff, "start": start, "end": end, "file": str(folder / f"{name}.parquet")},
            ).fetchone()
            counts = {promise: count + found for (promise, count), found in zip(counts.items(), row or (), strict=True)}
    return counts


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the stored dataset in `folder`."""
    content = json.loads((folder / "manifest.json").read_text())
    content["features"] = tuple(content["features"])
    return Manifest(**content)


def stored(folder: Path) -> list[tuple[Path, Manifest]]:
    """The stored versions of one dataset, oldest first."""
    if not folder.is_dir():
        return []
    found = [
        (path.parent, read_manifest(path.parent)) for path in folder.glob("*/manifest.json") if not path.parent.name.startswith(".")
    ]
    return sorted(found, key=lambda pair: (pair[1].created_at, pair[1].snapshot, pair[1].id))


def find(folder: Path, dataset: str, dataset_id: str | None = None) -> tuple[Path, Manifest]:
    """The version `dataset_id` of a dataset, or its newest.

    Raises:
        NotFoundError: there is no such version.
    """
    versions = stored(folder)
    if dataset_id is None and versions:
        return versions[-1]
    for path, manifest in versions:
        if manifest.id == dataset_id:
            return path, manifest
    raise not_found(
        "Training dataset",
        f"{dataset}/{dataset_id or 'newest'}",
        [f"{dataset}/{manifest.id}" for _, manifest in versions],
        next_step=f"Materialise 'training_datasets/{dataset}' to cut one.",
    )
