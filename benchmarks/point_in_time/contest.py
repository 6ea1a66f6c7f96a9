"""The join of a spine with three groups: ours, its rivals and the floor, in turns, each answer compared with the right one."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.measuring import Run, Summary, run, summary
from benchmarks.point_in_time.answers import answer, wrong_rows
from benchmarks.point_in_time.data import Case
from benchmarks.point_in_time.rivals import RIVALS
from benchmarks.sheets import Sheet, gib, ratio, seconds

SLOW = 30.0  # a job that takes longer is run once
EVERYTHING = "ours: ttl and known_at of each row"


@dataclass(frozen=True, slots=True)
class Competitor:
    """A way to do the join.

    Attributes:
        name: as it is shown.
        kind: "ours", "rival" or "floor".
        key: by which the command line chooses it.
        answer: which of the right answers it must give; none for the floor, which does not join.
    """

    name: str
    kind: str
    key: str
    script: str
    variant: str = ""
    answer: str | None = "plain"


COMPETITORS = (
    Competitor("ours", "ours", "ours", "ours.py", "plain"),
    Competitor("ours: ttl", "ours", "ours", "ours.py", "ttl", "ttl"),
    Competitor("ours: ttl and one known_at", "ours", "ours", "ours.py", "known_at", "ttl"),
    Competitor(EVERYTHING, "ours", "ours", "ours.py", "known_at_each", "known_at_each"),
    Competitor("ours: spine in no order", "ours", "ours", "ours.py", "shuffled"),
    Competitor("ours: not compacted", "ours", "ours", "ours.py", "as_published"),
    Competitor("ours: all of it, memory limit 500 MB", "ours", "ours", "ours.py", "limited", "known_at_each"),
    Competitor("polars join_asof, streaming", "rival", "polars", "polars_join_asof.py", "streaming"),
    Competitor("polars join_asof, in memory", "rival", "polars", "polars_join_asof.py", "memory"),
    Competitor("pandas merge_asof", "rival", "pandas", "pandas_merge_asof.py"),
    Competitor("DuckDB ASOF JOIN", "rival", "duckdb", "duckdb_asof.py"),
    Competitor("Feast, DuckDB store", "rival", "feast_duckdb", "feast_store.py", "duckdb"),
    Competitor("Feast, default store", "rival", "feast_default", "feast_store.py", "file"),
    Competitor("floor: pyarrow", "floor", "floor", "floor.py", "pyarrow", None),
    Competitor("floor: pyarrow, jemalloc", "floor", "floor", "floor.py", "jemalloc", None),
    Competitor("floor: polars", "floor", "floor", "floor.py", "polars", None),
    Competitor("floor: DuckDB", "floor", "floor", "floor.py", "duckdb", None),
)
KEYS = tuple(dict.fromkeys(competitor.key for competitor in COMPETITORS))


@dataclass(frozen=True, slots=True)
class Result:
    """What a competitor took, and the rows of its result: how many, and how many of them are wrong, missing or too many."""

    competitor: Competitor
    runs: list[Run]
    rows: int | None = None
    wrong: int | None = None

    @property
    def summary(self) -> Summary:
        return summary(self.runs)

    @property
    def is_ok(self) -> bool:
        return self.summary.outcome == "ok"


@dataclass(frozen=True, slots=True)
class Contest:
    """All competitors' results on one case."""

    case: Case
    results: list[Result]
    published: dict[str, float]

    def best(self, kind: str) -> Summary | None:
        """The quickest of a kind that finished; of rivals, one with right rows only."""
        fit = [result for result in self.results if result.competitor.kind == kind and result.is_ok and not result.wrong]
        return min((result.summary for result in fit), key=lambda found: found.seconds, default=None)

    def named(self, name: str) -> Result | None:
        return next((result for result in self.results if result.competitor.name == name), None)


def compete(
    case: Case,
    chosen: Sequence[Competitor],
    pythons: Callable[[Competitor], Path],
    *,
    repeats: int,
    limit: float,
    published: dict[str, float],
) -> Contest:
    """Each competitor once to warm up and to check its answer, then all of them in turns; slow ones only once."""
    out = case.folder / "result.parquet"
    results = []
    for competitor in chosen:
        first = _run(case, competitor, pythons, out, limit)
        rows, wrong = wrong_rows(out, answer(case, competitor.answer)) if first.is_ok and competitor.answer else (None, None)
        results.append(Result(competitor, [first], rows, wrong))
    in_turns = [result for result in results if result.is_ok and result.runs[0].seconds < SLOW and repeats > 0]
    for result in in_turns:
        result.runs.clear()
    for number in range(repeats):
        turn = number % len(in_turns) if in_turns else 0
        for result in in_turns[turn:] + in_turns[:turn]:
            result.runs.append(_run(case, result.competitor, pythons, out, limit))
    out.unlink(missing_ok=True)
    return Contest(case, results, published)


def _run(case: Case, competitor: Competitor, pythons: Callable[[Competitor], Path], out: Path, limit: float) -> Run:
    out.unlink(missing_ok=True)
    done = run(pythons(competitor), RIVALS / competitor.script, case.folder, out, competitor.variant, limit=limit)
    print(f"  {case.size} {case.keys}: {competitor.name}: {done.outcome}, {done.seconds:.2f} s", file=sys.stderr, flush=True)
    return done


def sheet(contest: Contest) -> Sheet:
    rival, floor = contest.best("rival"), contest.best("floor")
    rows = []
    for result in sorted(
        contest.results, key=lambda one: (("ours", "rival", "floor").index(one.competitor.kind), one.summary.seconds)
    ):
        took = result.summary
        rows.append(
            (
                result.competitor.name,
                seconds(took.seconds) if result.is_ok else f"{_brief(took.outcome)} ({took.process_seconds:.0f} s)",
                ratio(took, rival) if result.is_ok else "",
                ratio(took, floor) if result.is_ok else "",
                seconds(took.cpu_seconds),
                seconds(took.again_seconds),
                seconds(took.process_seconds),
                gib(took.peak_bytes),
                "" if result.rows is None else f"{result.rows:,}",
                "" if result.wrong is None else f"{result.wrong:,}",
            )
        )
    case = contest.case
    title = f"Join: {case.spine_rows:,} rows with 3 x {case.group_rows:,} rows of 10 features, {case.keys} keys"
    columns = ("", "seconds", "x quickest rival", "x floor", "CPU s", "again s", "process s", "peak GiB", "rows", "wrong rows")
    return Sheet(title, columns, rows, _note(contest.published))


def _brief(outcome: str) -> str:
    """An error without the path of its class and the details of its message."""
    return re.sub(r"^[\w.]+\.(?=\w+:)", "", outcome).split(" for an array")[0][:60]


def _rank(result: Result) -> tuple[int, bool, float]:
    return ("ours", "rival", "floor").index(result.competitor.kind), not result.is_ok, result.summary.seconds if result.is_ok else 0


def _note(published: dict[str, float]) -> str:
    if not published:
        return ""
    return (
        f"Published beforehand in {published['publications']:,} publications, {published['publishing_seconds']:.0f} s"
        f" ({published['median_publication_seconds'] * 1000:.0f} ms each); compacted in {published['compaction_seconds']:.1f} s,"
        f" {published['files']:,} files to {published['files_compacted']:,}."
    )


def targets(contest: Contest) -> Sheet:
    """What the join is held to, with everything switched on."""
    ours, rows = contest.named(EVERYTHING), []
    if ours is not None and ours.is_ok:
        took, asof = ours.summary, _done(contest, "DuckDB ASOF JOIN")
        limits = {
            "the quickest rival": (contest.best("rival"), 1.1),
            "the floor": (contest.best("floor"), 1.5),
            "Feast, DuckDB store": (_done(contest, "Feast, DuckDB store"), 0.25),
        }
        for what, (other, most) in limits.items():
            if other:
                rows.append(_target(f"time beside {what}, first join of a process", took.seconds / other.seconds, most))
                rows.append(_target(f"time beside {what}, second join", took.again_seconds / other.again_seconds, most))
        rows += [_target("peak memory beside DuckDB ASOF JOIN", took.peak_bytes / asof.peak_bytes, 1.0)] if asof else []
    title = f"Targets: {EVERYTHING.removeprefix('ours: ')}, {contest.case.size}, {contest.case.keys} keys"
    return Sheet(title, ("", "measured", "at most", "met"), rows)


def _done(contest: Contest, name: str) -> Summary | None:
    result = contest.named(name)
    return result.summary if result is not None and result.is_ok else None


def _target(what: str, measured: float, most: float) -> tuple[str, ...]:
    return (what, f"{measured:.2f}", f"{most:.2f}", "yes" if measured <= most else "no")


def as_json(contest: Contest) -> dict[str, object]:
    return {
        "size": contest.case.size,
        "keys": contest.case.keys,
        "spine_rows": contest.case.spine_rows,
        "group_rows": contest.case.group_rows,
        "published": contest.published,
        "results": [{**asdict(result), "summary": asdict(result.summary)} for result in contest.results],
    }
