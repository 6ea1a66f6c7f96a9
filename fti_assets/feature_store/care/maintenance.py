"""The care of the lake carried out: snapshots expire, files are merged, rewritten and removed.

Each step is a transaction of its own. Interrupted at any point, the lake reads as before, and the next run does the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from duckdb import DuckDBPyConnection

from fti_assets.feature_store.care.checksums import changed_files, record_checksums
from fti_assets.feature_store.care.maintenance_plan import LakeState, MaintenancePlan, RetentionPolicy
from fti_assets.feature_store.care.maintenance_plan import plan as planned
from fti_assets.feature_store.errors import DamagedFilesError
from fti_assets.feature_store.history.holds import Hold, refuse_held
from fti_assets.feature_store.history.snapshots import check_exists, snapshots
from fti_assets.feature_store.lake.file_access import below, listed
from fti_assets.feature_store.lake.lake import Lake
from fti_assets.feature_store.lake.stored_files import inlined_rows, replaced_files, stored_files

Holds = Callable[[], Iterable[Hold]]
"""Asked under the writer lock, so that what is tagged while maintenance runs is held as well."""

Progress = Callable[[str, int, int], None]
"""Told what is being done, how many steps are done, and of how many."""

_AUTHOR = "fti lake maintain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """What the lake takes.

    Attributes:
        tables: number and size of the files that the newest snapshot reads, by table.
        files: number of all Parquet files that are there, with those of older snapshots and those that wait to be removed.
        bytes: their size.
        waiting: how many of them were replaced and wait to be removed.
        snapshots: how many there are.
    """

    tables: Mapping[str, tuple[int, int]]
    files: int
    bytes: int
    waiting: int
    snapshots: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintenance:
    """What was done.

    Attributes:
        plan: what was going to be done.
        expired: snapshots that were given up; fewer than planned, where somebody has referred to one since.
        recorded: files whose checksum was recorded.
        before: what the lake took before.
        after: what it takes now.
    """

    plan: MaintenancePlan
    expired: tuple[int, ...]
    recorded: int
    before: Space
    after: Space


def observe(lake: Lake, connection: DuckDBPyConnection, policy: RetentionPolicy) -> LakeState:
    """Looks at what the lake consists of; nothing is changed."""
    at = datetime.now(UTC)
    orphans = connection.execute(_ORPHANS.format(dry=True), {"age": at - timedelta(hours=policy.orphan_hours)}).fetchall()
    return LakeState(
        at=at,
        snapshots=tuple(snapshots(connection)),
        files=tuple(stored_files(connection)),
        inlined=inlined_rows(connection),
        replaced=tuple(replaced_files(connection)),
        orphans=tuple(below(lake, name) for (name,) in orphans),
        on_disk=listed(lake, connection),
    )


def space(state: LakeState) -> Space:
    """What a lake takes, table by table and in all."""
    tables: dict[str, tuple[int, int]] = {}
    for file in (file for file in state.files if file.is_current):
        count, size = tables.get(file.table, (0, 0))
        tables[file.table] = (count + 1, size + file.bytes)
    return Space(
        tables=dict(sorted(tables.items())),
        files=len(state.on_disk),
        bytes=sum(state.on_disk.values()),
        waiting=len(state.replaced),
        snapshots=len(state.snapshots),
    )


def plan_maintenance(
    lake: Lake, connection: DuckDBPyConnection, holds: Iterable[Hold], policy: RetentionPolicy | None = None
) -> MaintenancePlan:
    """What is worth doing to the lake, and may be done; nothing is changed."""
    policy = policy or RetentionPolicy()
    return planned(observe(lake, connection, policy), holds, policy)


def carry_out(
    lake: Lake, connection: DuckDBPyConnection, plan: MaintenancePlan, holds: Holds, progress: Progress = lambda *_: None
) -> Maintenance:
    """Does what was planned, and records the checksums of new files.

    Args:
        lake: that was planned for.
        connection: of the lake.
        plan: what is to be done.
        holds: gives what refers to snapshots, models included. It is asked again before snapshots expire.
        progress: told how far it is.

    Raises:
        DamagedFilesError: a file that was to be written anew is not what it was; nothing was changed.
        LockedError: another writer did not finish in time; what was done before stays done.
    """
    before = space(observe(lake, connection, plan.policy))
    expired: list[int] = []
    recorded: list[int] = []
    steps: list[tuple[str, Callable[[], object]]] = [
        ("checking what is written anew", lambda: _check_inputs(lake, connection, plan)),
        ("expiring snapshots", lambda: expired.extend(_expire_unheld(lake, connection, plan.expire, holds))),
        *((f"compacting {table}", lambda table=table: _compact(lake, connection, table, plan)) for table in plan.tables),
        ("removing orphans", lambda: _remove_orphans(connection, plan)),
        ("removing replaced files", lambda: _remove_replaced(lake, connection, plan.policy)),
        ("recording checksums", lambda: recorded.append(record_checksums(lake, connection))),
    ]
    for done, (title, do) in enumerate(steps):
        progress(title, done, len(steps))
        do()
    progress("done", len(steps), len(steps))
    after = space(observe(lake, connection, plan.policy))
    return Maintenance(plan=plan, expired=tuple(expired), recorded=sum(recorded), before=before, after=after)


def expire_snapshots(lake: Lake, connection: DuckDBPyConnection, numbers: Sequence[int], holds: Holds) -> None:
    """Gives up snapshots by their numbers, however young they are.

    Raises:
        NotFoundError: there is no such snapshot.
        HeldSnapshotError: something refers to one, or it is the newest; nothing was changed.
        LockedError: another writer did not finish in time.
    """
    with lake.writing(connection, purpose="expiring snapshots"):
        for number in numbers:
            check_exists(connection, number)
        newest = Hold(snapshots(connection)[-1].number, "being the newest, which readers see")
        refuse_held(numbers, [newest, *holds()])
        _expire(connection, numbers)


def _check_inputs(lake: Lake, connection: DuckDBPyConnection, plan: MaintenancePlan) -> None:
    """A damaged file that can still be read must not become a new one that looks sound."""
    existing = {file.path for file in stored_files(connection)} if plan.inputs else set()
    damaged = changed_files(lake, connection, [file for file in plan.inputs if file.path in existing])
    if damaged:
        raise DamagedFilesError(
            damaged, "nothing was changed", next_step="`fti lake verify` names all that is damaged, and what can be done."
        )


def _expire_unheld(lake: Lake, connection: DuckDBPyConnection, numbers: Sequence[int], holds: Holds) -> list[int]:
    """Gives up those of some snapshots that nothing refers to by now."""
    if not numbers:
        return []
    with lake.writing(connection, purpose="expiring snapshots"):
        held = {hold.snapshot for hold in holds()}
        existing = {snapshot.number for snapshot in snapshots(connection)[:-1]}
        free = [number for number in numbers if number in existing - held]
        _expire(connection, free)
    return free


def _expire(connection: DuckDBPyConnection, numbers: Sequence[int]) -> None:
    # Never by `older_than`: on SQLite it compares texts of two formats, and takes what is younger on the same day as well.
    if numbers:
        listed_numbers = ", ".join(str(int(number)) for number in numbers)
        connection.execute(f"CALL ducklake_expire_snapshots('lake', versions => [{listed_numbers}])").fetchall()


def _compact(lake: Lake, connection: DuckDBPyConnection, table: str, plan: MaintenancePlan) -> None:
    """Writes files of a table anew: always flushed first.

    After a rewrite or merge of a file whose deletions are in the catalogue, DuckLake shows deleted rows to older snapshots.
    """
    schema, name = table.split(".")
    policy = plan.policy
    named = {"schema": schema, "name": name}
    with lake.locked(f"compacting {table}"):
        with _committed(connection, f"flush {table}"):
            connection.execute(_FLUSH, named).fetchall()
        if table in plan.rewrite:
            with _committed(connection, f"rewrite files of {table}"):
                connection.execute(_REWRITE, {**named, "share": policy.rewrite_from}).fetchall()
        if table in plan.merge:
            with _committed(connection, f"merge files of {table}"):
                connection.execute(_MERGE, {**named, "size": policy.small_bytes}).fetchall()


_FLUSH = "CALL ducklake_flush_inlined_data('lake', schema_name => $schema, table_name => $name)"
_REWRITE = "CALL ducklake_rewrite_data_files('lake', $name, schema => $schema, delete_threshold => $share)"
_MERGE = "CALL ducklake_merge_adjacent_files('lake', $name, schema => $schema, max_file_size => $size)"
_ORPHANS = "CALL ducklake_delete_orphaned_files('lake', dry_run => {dry}, older_than => $age)"


@contextmanager
def _committed(connection: DuckDBPyConnection, message: str) -> Iterator[None]:
    """A transaction that says what it did; the lock is held already."""
    connection.begin()
    try:
        yield
        connection.execute("CALL lake.set_commit_message(?, ?)", [_AUTHOR, message])
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def _remove_orphans(connection: DuckDBPyConnection, plan: MaintenancePlan) -> None:
    if plan.orphans:
        age = {"age": plan.at - timedelta(hours=plan.policy.orphan_hours)}
        connection.execute(_ORPHANS.format(dry=False), age).fetchall()


def _remove_replaced(lake: Lake, connection: DuckDBPyConnection, policy: RetentionPolicy) -> None:
    """Removes the files that were replaced longer ago than the time of grace."""
    with lake.locked("removing replaced files"):
        latest = datetime.now(UTC) - timedelta(hours=policy.grace_hours)
        replaced = replaced_files(connection)
        old = [file for file in replaced if file.since <= latest]
        if len(old) == len(replaced):
            connection.execute("CALL ducklake_cleanup_old_files('lake', cleanup_all => true)").fetchall()
        elif old:
            # On SQLite DuckLake compares days instead of instants, so that what it takes is certain to be old only a day later.
            age = {"age": latest - timedelta(days=1)}
            connection.execute("CALL ducklake_cleanup_old_files('lake', older_than => $age)", age).fetchall()
