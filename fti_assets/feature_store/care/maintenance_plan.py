"""What the care of the lake is going to do: which snapshots expire, which files are merged, rewritten and removed. Decides only."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from fti_assets.errors import DefinitionError
from fti_assets.feature_store.history.holds import Hold
from fti_assets.feature_store.history.snapshots import Snapshot
from fti_assets.feature_store.lake.stored_files import ReplacedFile, StoredFile


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPolicy:
    """How long what is not needed is kept, and when tidying up is worth its while.

    Attributes:
        keep_days: snapshots younger than this are kept, whether something refers to them or not.
        grace_hours: files that were replaced are removed after this time, since somebody may have begun to read them before.
        orphan_hours: files that nothing refers to are removed after this time; younger ones may belong to a write that goes on.
        merge_from: the small files of a table are merged when there are as many.
        small_bytes: files below this size are small.
        rewrite_from: a file is rewritten when this share of its rows is deleted.
        flush_from: rows that the catalogue keeps of a table move into a file when there are as many.
    """

    keep_days: float = 30
    grace_hours: float = 6
    orphan_hours: float = 24
    merge_from: int = 16
    small_bytes: int = 32_000_000
    rewrite_from: float = 0.2
    flush_from: int = 10_000

    def __post_init__(self) -> None:
        for name in ("keep_days", "grace_hours", "orphan_hours"):
            if not 0 <= getattr(self, name) < 1_000_000:
                raise DefinitionError(f"{name} is {getattr(self, name):g}.", next_step="Give a number that is not negative.")


@dataclass(frozen=True, slots=True, kw_only=True)
class LakeState:
    """What the lake consists of at one moment.

    Attributes:
        at: that moment.
        snapshots: those that are kept, oldest first.
        files: those that a snapshot shows.
        inlined: rows that the catalogue keeps itself, by table.
        replaced: files that no snapshot shows any more and that wait to be removed.
        orphans: paths of files that nothing refers to, and that are old enough to be removed.
        on_disk: size of every file that is there, by path.
    """

    at: datetime
    snapshots: tuple[Snapshot, ...]
    files: tuple[StoredFile, ...] = ()
    inlined: Mapping[str, int] = field(default_factory=dict)
    replaced: tuple[ReplacedFile, ...] = ()
    orphans: tuple[str, ...] = ()
    on_disk: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One line of a plan, for people.

    Attributes:
        what: expire, flush, rewrite, merge, remove or keep.
        of: what it is done to.
        why: for which reason.
        files: how many files it concerns.
        bytes: their size, where it is known.
    """

    what: str
    of: str
    why: str
    files: int | None = None
    bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintenancePlan:
    """What is going to be done to a lake.

    Attributes:
        expire: snapshots that are given up.
        held: what holds snapshots that are old enough to expire.
        released: files that no snapshot shows any more once these have expired; they wait for the time of grace.
        flush: tables with many rows in the catalogue, and how many.
        rewrite: files of which many rows are deleted, by table.
        merge: small files, by table.
        remove: files that were replaced longer ago than the time of grace.
        wait: files that were replaced since.
        orphans: paths of files that nothing refers to.
    """

    policy: RetentionPolicy
    at: datetime
    expire: tuple[int, ...] = ()
    held: tuple[Hold, ...] = ()
    released: tuple[StoredFile, ...] = ()
    flush: Mapping[str, int] = field(default_factory=dict)
    rewrite: Mapping[str, tuple[StoredFile, ...]] = field(default_factory=dict)
    merge: Mapping[str, tuple[StoredFile, ...]] = field(default_factory=dict)
    remove: tuple[ReplacedFile, ...] = ()
    wait: tuple[ReplacedFile, ...] = ()
    orphans: tuple[str, ...] = ()
    on_disk: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.expire or self.flush or self.rewrite or self.merge or self.remove or self.orphans)

    @property
    def tables(self) -> list[str]:
        """The tables whose files are written anew."""
        return sorted({*self.flush, *self.rewrite, *self.merge})

    @property
    def inputs(self) -> list[StoredFile]:
        """The files that are going to be read and written anew."""
        return [file for files in (*self.rewrite.values(), *self.merge.values()) for file in files]

    def steps(self) -> list[Step]:
        """The plan for people, in the order in which it is carried out."""
        return [*_of_snapshots(self), *_of_tables(self), *_of_files(self)]


def plan(state: LakeState, holds: Iterable[Hold], policy: RetentionPolicy) -> MaintenancePlan:
    """Decides what is worth doing to a lake, and what may be done."""
    old = [one.number for one in state.snapshots[:-1] if one.at < state.at - timedelta(days=policy.keep_days)]
    held = sorted({hold for hold in holds if hold.snapshot in set(old)})
    expire = tuple(number for number in old if number not in {hold.snapshot for hold in held})
    kept = [one.number for one in state.snapshots if one.number not in set(expire)]
    replaced_by = state.at - timedelta(hours=policy.grace_hours)
    return MaintenancePlan(
        policy=policy,
        at=state.at,
        expire=expire,
        held=tuple(held),
        released=tuple(file for file in state.files if expire and not file.shown_by(kept)),
        flush={table: rows for table, rows in state.inlined.items() if rows >= policy.flush_from},
        rewrite=_to_rewrite(state.files, policy),
        merge=_to_merge(state.files, policy),
        remove=tuple(file for file in state.replaced if file.since <= replaced_by),
        wait=tuple(file for file in state.replaced if file.since > replaced_by),
        orphans=state.orphans,
        on_disk=state.on_disk,
    )


def _to_rewrite(files: Sequence[StoredFile], policy: RetentionPolicy) -> dict[str, tuple[StoredFile, ...]]:
    deleted = {file.deletes_from: file.rows for file in files if file.is_current and file.deletes_from is not None}
    found = [f for f in files if f.is_current and f.id in deleted and deleted[f.id] >= policy.rewrite_from * f.rows]
    return _by_table(found)


def _to_merge(files: Sequence[StoredFile], policy: RetentionPolicy) -> dict[str, tuple[StoredFile, ...]]:
    current = [file for file in files if file.is_current]
    punctured = {file.deletes_from for file in current}
    small = [f for f in current if f.deletes_from is None and f.id not in punctured and f.bytes < policy.small_bytes]
    return {table: found for table, found in _by_table(small).items() if len(found) >= policy.merge_from}


def _by_table(files: Iterable[StoredFile]) -> dict[str, tuple[StoredFile, ...]]:
    found: dict[str, list[StoredFile]] = defaultdict(list)
    for file in files:
        found[file.table].append(file)
    return {table: tuple(found[table]) for table in sorted(found)}


def _of_snapshots(plan: MaintenancePlan) -> list[Step]:
    old = f"older than {plan.policy.keep_days:g} days"
    steps = []
    if plan.expire:
        which = f"{len(plan.expire):,} snapshots: {spans(plan.expire)}"
        steps.append(Step(what="expire", of=which, why=old, files=len(plan.released), bytes=_bytes(plan.released)))
    for number in sorted({hold.snapshot for hold in plan.held}):
        by = [hold.by for hold in plan.held if hold.snapshot == number]
        more = f" and {len(by) - 3} more" if len(by) > 3 else ""
        steps.append(Step(what="keep", of=f"snapshot {number}", why=f"held by {', '.join(by[:3])}{more}"))
    return steps


def _of_tables(plan: MaintenancePlan) -> list[Step]:
    policy = plan.policy
    return [
        *(Step(what="flush", of=table, why=f"{rows:,} rows are in the catalogue") for table, rows in plan.flush.items()),
        *(
            Step(
                what="rewrite",
                of=table,
                why=f"at least {policy.rewrite_from:.0%} of their rows are deleted",
                files=len(files),
                bytes=_bytes(files),
            )
            for table, files in plan.rewrite.items()
        ),
        *(
            Step(what="merge", of=table, why=f"{policy.merge_from} or more small files", files=len(files), bytes=_bytes(files))
            for table, files in plan.merge.items()
        ),
    ]


def _of_files(plan: MaintenancePlan) -> list[Step]:
    policy = plan.policy
    lines = (
        ("remove", "replaced files", f"replaced more than {policy.grace_hours:g} hours ago", [file.path for file in plan.remove]),
        ("remove", "orphans", f"nothing refers to them since {policy.orphan_hours:g} hours or more", list(plan.orphans)),
        ("keep", "replaced files", f"replaced in the last {policy.grace_hours:g} hours", [file.path for file in plan.wait]),
    )
    return [
        Step(what=what, of=of, why=why, files=len(paths), bytes=sum(plan.on_disk.get(path, 0) for path in paths))
        for what, of, why, paths in lines
        if paths
    ]


def _bytes(files: Iterable[StoredFile]) -> int:
    return sum(file.bytes for file in files)


def spans(numbers: Iterable[int]) -> str:
    """Numbers as people write them: `3-7, 9, 12-20`."""
    found: list[list[int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    texts = [f"{first}-{last}" if last > first else str(first) for first, last in found]
    return ", ".join(texts) if len(texts) <= 6 else f"{', '.join(texts[:3])}, .. {', '.join(texts[-2:])}"
