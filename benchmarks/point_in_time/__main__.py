"""`python -m benchmarks.point_in_time`: the feature store's speed beside its rivals, in one run on one machine."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.measuring import ROOT
from benchmarks.point_in_time import contest, days, taxi
from benchmarks.point_in_time.contest import COMPETITORS, Competitor, Contest, compete
from benchmarks.point_in_time.data import KEYS, SIZES, Case, generate
from benchmarks.point_in_time.feast_environment import feast_python, versions
from benchmarks.point_in_time.published import publish
from benchmarks.point_in_time.results import Results
from benchmarks.sheets import Sheet, show

EXPERIMENTS = ("join", "taxi", "days")
SHOWN_SIZES = ("small", "large")
OUR_PACKAGES = ("duckdb", "polars", "pandas", "pyarrow", "numpy", "numba")
FEAST_PACKAGES = ("feast", "duckdb", "ibis-framework", "dask", "pandas", "pyarrow")


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = _parsed(arguments)
    chosen.folder.mkdir(parents=True, exist_ok=True)
    feast = feast_python(chosen.feast or chosen.folder / "feast", install=chosen.install)
    results = Results(chosen.folder / "results.json")
    ours = versions(Path(sys.executable), OUR_PACKAGES)
    theirs = versions(feast, FEAST_PACKAGES) if feast else {}
    theirs = {name if name == "feast" else f"Feast's {name}": version for name, version in theirs.items()}
    for name, sheets, figures in _measured(chosen, feast):
        filled = [sheet for sheet in sheets if sheet.rows]
        for sheet in filled:
            show(sheet)
        results.add(name, filled, figures, versions=ours | (theirs if name.startswith("join") else {}))
    if chosen.markdown:
        chosen.markdown.write_text(results.markdown(), encoding="utf-8")
    print(f"All figures are in {results.path}.")


def _measured(chosen: argparse.Namespace, feast: Path | None) -> Iterator[tuple[str, list[Sheet], object]]:
    """Name, tables and figures of each experiment, as soon as it is done."""
    for case in _cases(chosen) if "join" in chosen.experiments else ():
        done = _contest(case, chosen, feast)
        name = f"join, {list(SIZES).index(case.size)} {case.size}, {case.keys}"
        yield name, [contest.sheet(done), contest.targets(done)], contest.as_json(done)
    if "taxi" in chosen.experiments:
        raced = [measured for millions in chosen.trips for measured in _race(millions, chosen)]
        yield "taxi", [taxi.sheet(raced)], taxi.as_json(raced)
    if "days" in chosen.experiments:
        filled = days.fill_and_read(chosen.folder / "days", chosen.days, repeats=chosen.repeats, limit=chosen.time_limit)
        yield "publishing", [days.sheet(filled)], [asdict(one) for one in filled]


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.point_in_time", description=__doc__)
    parser.add_argument("--experiments", nargs="+", choices=EXPERIMENTS, default=list(EXPERIMENTS))
    parser.add_argument("--size", choices=(*SIZES, "all"), default="all", help="of the join; tiny is for trying the script")
    parser.add_argument("--keys", choices=(*KEYS, "all"), default="all", help="distribution of the join's keys")
    parser.add_argument("--rivals", nargs="+", choices=contest.KEYS, default=list(contest.KEYS), help="in the join")
    parser.add_argument("--trips", nargs="+", type=int, choices=taxi.MILLIONS, default=list(taxi.MILLIONS), help="millions")
    parser.add_argument("--days", type=int, default=1000, help="that are published")
    parser.add_argument("--repeats", type=int, default=5, help="runs that are counted, after one that is not")
    parser.add_argument("--time-limit", type=float, default=300.0, help="seconds after which a job is ended")
    parser.add_argument("--folder", type=Path, default=ROOT / "data" / "benchmarks", help="for generated files, and the result")
    parser.add_argument("--feast", type=Path, help="folder of Feast's environment (default: feast, in the folder)")
    parser.add_argument("--install", action="store_true", help="make Feast's environment where there is none")
    parser.add_argument("--publish-again", action="store_true", help="make our stores anew, after the store's code has changed")
    parser.add_argument("--markdown", type=Path, help="a file to write the tables to, as Markdown")
    return parser.parse_args(arguments)


def _cases(chosen: argparse.Namespace) -> list[Case]:
    sizes = SHOWN_SIZES if chosen.size == "all" else (chosen.size,)
    keys = KEYS if chosen.keys == "all" else (chosen.keys,)
    return [Case(size, key, chosen.folder / f"{size}-{key}") for size in sizes for key in keys]


def _contest(case: Case, chosen: argparse.Namespace, feast: Path | None) -> Contest:
    generate(case)
    published = publish(case, again=chosen.publish_again) if "ours" in chosen.rivals else {}
    taking_part = [one for one in COMPETITORS if one.key in chosen.rivals and (feast or not _is_feast(one))]
    if len(taking_part) < sum(one.key in chosen.rivals for one in COMPETITORS):
        print("Feast is left out: it is not installed. Run with --install.", file=sys.stderr)

    def python(competitor: Competitor) -> Path:
        return feast if feast and _is_feast(competitor) else Path(sys.executable)

    return compete(case, taking_part, python, repeats=chosen.repeats, limit=chosen.time_limit, published=published)


def _race(millions: int, chosen: argparse.Namespace) -> list[taxi.Measured]:
    trips = taxi.Taxi(millions, chosen.folder / f"taxi-{millions}")
    taxi.generate(trips, again=chosen.publish_again)
    return taxi.race(trips, repeats=chosen.repeats, limit=chosen.time_limit)


def _is_feast(competitor: Competitor) -> bool:
    return competitor.key.startswith("feast")


if __name__ == "__main__":
    main()
