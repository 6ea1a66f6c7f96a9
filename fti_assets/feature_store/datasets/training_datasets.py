"""Training datasets: a view cut at one snapshot, split, stored with a manifest, never changed afterwards."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
from duckdb import DuckDBPyConnection
from pyarrow import compute as pc
from pyarrow import parquet

from fti_assets.feature_store.catalogue.definitions import as_data
from fti_assets.feature_store.datasets.manifest import Manifest, read_manifest, write_manifest
from fti_assets.feature_store.errors import LeakError, MissingFeaturesError
from fti_assets.feature_store.lake.connections import in_memory_connection
from fti_assets.feature_store.lake.lake import current_snapshot, instant_literal, table_exists, within
from fti_assets.feature_store.point_in_time.join import Join, event_time_column
from fti_assets.feature_store.point_in_time.spine import Spine
from fti_assets.feature_store.publishing.content_hash import content_digest
from fti_assets.feature_store.publishing.reading import read
from fti_assets.file_hash import sha256_of
from fti_assets.vocabulary import SPLITS, FeatureSelection, FeatureView, SplitName, TimeSplit, TrainingDataset, Window, quoted

LABEL_TIME = "label__event_time"
PROMISES = ("no_feature_from_the_future", "labels_known_at_cutoff", "rows_in_their_split")
LABELLED = "labelled"


@dataclass(frozen=True, slots=True)
class _Split:
    """What was written of one split."""

    window: Window
    rows: int
    positive_share: float
    digest: bytes
    sha256: str


def cut(
    connection: DuckDBPyConnection, dataset: TrainingDataset, cutoff: date, folder: Path, *, code_version: str
) -> tuple[Path, Manifest]:
    """Cuts `dataset` from the snapshot that `connection` reads and stores it in a new folder below `folder`.

    Rows are those of the spine before the day `cutoff` whose label was mature and known by then, see `TrainingDataset`.
    Cut again with the same content, it is the dataset that is stored already, and that one is returned.

    Returns:
        The folder with one Parquet file for each split and `manifest.json`, and the manifest.

    Raises:
        DefinitionError: no day is left to train on.
        MissingFeaturesError: a split has no labelled row, or a group was never published.
        LeakError: a feature is from after its row's time; nothing was stored.
    """
    windows = dataset.split.windows(dataset.calendar, cutoff)
    spine_rows = _label(connection, dataset, Window(windows["train"].start, windows["test"].end))
    leaks = count_leaks(connection, dataset.view)
    if leaks:
        raise LeakError(f"{leaks:,} rows of '{dataset.name}' hold a feature from after their time; nothing was stored.")
    folder.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".cutting-", dir=folder))
    try:
        splits = {name: _write_split(connection, dataset, name, window, work) for name, window in windows.items()}
        manifest = _manifest(dataset, splits, current_snapshot(connection), spine_rows, code_version)
        write_manifest(work, manifest)
        work.chmod(0o755)  # a temporary folder is its owner's alone
        target = folder / manifest.id
        if not target.exists():
            with suppress(OSError):  # another process was first, with the same content
                work.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return target, read_manifest(target)


def _label(connection: DuckDBPyConnection, dataset: TrainingDataset, window: Window) -> int:
    """Makes the temporary table `labelled`: spine, features, label and the label's event time. Returns the spine's rows.

    The label is the newest one known by the end of the window, of rows whose label is mature by then.
    """
    view = dataset.view
    spine, group = view.spine.table, view.label.group
    for table in (spine, group.table):
        if not table_exists(connection, table):
            raise MissingFeaturesError(
                f"'{table}' was never published.", next_step=f"Materialise '{'/'.join(table.asset_key)}' first."
            )
    assert spine.time is not None  # the dataset has a calendar
    rows = read(connection, spine, window)
    from fti_assets.feature_store.point_in_time.joining import complete  # loads numba (0.5 s)

    completed = complete(connection, Spine.of(rows), Join.of(view, event_times=True))
    connection.register("completed", completed.reader())
    keys, label = ", ".join(map(quoted, group.entity.key_names)), quoted(view.label_column.name)
    known_at = quoted(group.event_time) if group.event_time else "NULL::TIMESTAMPTZ"
    known = f"{quoted(group.event_time)} <= {instant_literal(window.end)}" if group.event_time else "true"
    # DuckDB 1.5.5 takes the first row by an order of nulls for a row of nulls, so a static group is not ordered.
    newest = f"ORDER BY {LABEL_TIME} DESC" if group.event_time else ""
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE {LABELLED} AS
        SELECT * FROM completed JOIN (
            SELECT {keys}, {label}, {known_at} AS {LABEL_TIME} FROM {group.table.sql} WHERE {known}
            QUALIFY row_number() OVER (PARTITION BY {keys} {newest}) = 1
        ) USING ({keys})
        WHERE {label} IS NOT NULL AND {_mature(dataset, window)}
        ORDER BY {", ".join(map(quoted, dict.fromkeys([spine.time, *spine.key])))}"""
    )
    connection.unregister("completed")
    return completed.spine.rows


def _leaking(view: FeatureView) -> str:
    """The SQL condition that a row holds a feature known only after the row's time."""
    at = quoted(view.at)
    dated = [s for s in view.joined if isinstance(s, FeatureSelection) and s.group.event_time]
    later = [f'"{event_time_column(s.group, s.prefix)}" > {at}' for s in dated]
    return " OR ".join(later) or "false"


def count_leaks(connection: DuckDBPyConnection, view: FeatureView) -> int:
    """Rows of the labelled spine that hold a feature known only after the row's time."""
    row = connection.execute(f"SELECT count(*) FROM {LABELLED} WHERE {_leaking(view)}").fetchone()
    assert row is not None
    return int(row[0])


def _write_split(connection: DuckDBPyConnection, dataset: TrainingDataset, name: SplitName, window: Window, folder: Path) -> _Split:
    view = dataset.view
    assert view.spine.table.time is not None  # the dataset has a calendar
    query = f"SELECT * FROM {LABELLED} WHERE {_member(dataset, name, window)}"  # keeps the order of the table
    rows = connection.execute(query).to_arrow_table()
    if rows.num_rows == 0:
        raise MissingFeaturesError(
            f"The {name} split of '{dataset.name}' ({window}) has no labelled row.",
            next_step=f"Materialise '{view.spine.table}' and '{view.label.group.table}' for these days.",
        )
    file = folder / f"{name}.parquet"
    parquet.write_table(rows, file, compression="zstd")
    return _Split(window, rows.num_rows, _mean(rows[view.label_column.name]), content_digest(rows), sha256_of(file))


def _member(dataset: TrainingDataset, name: SplitName, window: Window) -> str:
    """The SQL condition that a row belongs to a split."""
    spine = dataset.view.spine.table
    assert spine.time is not None  # the dataset has a calendar
    inside = within(spine.time, window)
    if isinstance(dataset.split, TimeSplit):
        # What is learnt from a split must have been known when the next one began.
        return f"{inside} AND {_mature(dataset, window)}"
    split, (low, high) = dataset.split, dataset.split.share(name)
    # The texts of the key, each behind its length, so that no two keys read alike; 52 bits of the hash are a number in [0, 1).
    parts = [f"coalesce(length({_text(key)})::VARCHAR || ':' || {_text(key)}, '-')" for key in split.by or spine.key]
    drawn = f"('0x' || left(md5('{split.seed}|' || {' || '.join(parts)}), 13))::BIGINT / {2**52}.0"
    return f"{inside} AND {drawn} >= {low!r} AND {drawn} < {high!r}"


def _mature(dataset: TrainingDataset, window: Window) -> str:
    """The SQL condition that a row's label is final by the end of a window."""
    if not dataset.label_horizon:
        return "true"
    return f"{quoted(dataset.view.at)} <= {instant_literal(window.end - dataset.label_horizon)}"


def _text(column: str) -> str:
    return f"{quoted(column)}::VARCHAR"


def _mean(values: pa.ChunkedArray) -> float:
    return float(pc.mean(pc.cast(values, pa.float64())).as_py())


def _manifest(
    dataset: TrainingDataset, splits: Mapping[SplitName, _Split], snapshot: int, spine_rows: int, code_version: str
) -> Manifest:
    view, cutoff = dataset.view, splits["test"].window.end
    content = hashlib.sha256(b"".join(split.digest for split in splits.values())).hexdigest()
    return Manifest(
        id=f"{dataset.calendar.key(cutoff)}-s{snapshot}-{content[:8]}",
        dataset=dataset.name,
        view=view.name,
        view_version=view.version,
        groups={group.name: group.version for group in view.groups},
        snapshot=snapshot,
        cutoff=cutoff.isoformat(),
        splits={name: (split.window.start.isoformat(), split.window.end.isoformat()) for name, split in splits.items()},
        rows={name: split.rows for name, split in splits.items()},
        positive_share={name: split.positive_share for name, split in splits.items()},
        unlabelled_rows=spine_rows - sum(split.rows for split in splits.values()),
        features=view.feature_names,
        label=view.label_column.name,
        content_hash=content,
        code_version=code_version,
        created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        sha256={name: split.sha256 for name, split in splits.items()},
        definition=as_data(dataset),
    )


def audit(folder: Path, view: FeatureView) -> dict[str, int]:
    """Counts, in SQL over the stored files, the rows that break a promise of a training dataset.

    Returns:
        By promise: `no_feature_from_the_future`, `labels_known_at_cutoff` (neither known later nor immature then),
        `rows_in_their_split`.
    """
    manifest = read_manifest(folder)
    dataset, counts = manifest.defined, dict.fromkeys(PROMISES, 0)
    with in_memory_connection() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        whole = Window(*(datetime.fromisoformat(manifest.splits[name][n]) for n, name in enumerate(("train", "test"))))
        for name in SPLITS:
            start, end = map(datetime.fromisoformat, manifest.splits[name])
            window = Window(start, end)
            row = connection.execute(
                f"""SELECT count(*) FILTER ({_leaking(view)}), count(*) FILTER ({LABEL_TIME} > $cutoff::TIMESTAMPTZ
                    OR NOT {_mature(dataset, whole)}),
                count(*) FILTER (NOT coalesce({_member(dataset, name, window)}, false)) FROM read_parquet($file)""",
                {"cutoff": manifest.cutoff, "file": str(folder / f"{name}.parquet")},
            ).fetchone()
            counts = {promise: count + found for (promise, count), found in zip(counts.items(), row or (), strict=True)}
    return counts
