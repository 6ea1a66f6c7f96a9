"""`python -m benchmarks.serving`: the online half beside its rivals, and what it does under load, killed, and asked nonsense."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.measuring import ROOT
from benchmarks.point_in_time.feast_environment import feast_python, versions
from benchmarks.point_in_time.results import Results
from benchmarks.serving import contest, contestants, fuzz, in_process, kills, reporting, soak
from benchmarks.serving.data import generate
from benchmarks.serving.stores import Stores, fill
from benchmarks.sheets import Sheet, show

HEADING = """# Speed of serving

Written by `python -m benchmarks.serving --markdown FILE`; do not edit. Each table was measured in one run on one machine, every
server alone in its turn, with one worker, pinned to one core; the client, and Redis, run on the other. Figures are medians of the
turns. See `benchmarks/README.md` for what is compared."""
PACKAGES = ("fastapi", "uvicorn", "uvloop", "httptools", "xgboost", "onnxruntime", "lmdb", "redis", "mlflow")
FEAST_PACKAGES = ("feast", "fastapi", "uvicorn", "gunicorn", "redis")


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = _parsed(arguments)
    folder = chosen.folder / "serving"
    folder.mkdir(parents=True, exist_ok=True)
    feast = feast_python(chosen.feast or chosen.folder / "feast", install=chosen.install)
    data = generate(folder / f"data-{chosen.accounts}", chosen.accounts)
    stores = Stores(data, folder / "servers.log", feast.absolute() if feast else None)
    results = Results(folder / ("results-quick.json" if chosen.quick else "results.json"), HEADING)
    held = True
    for name in chosen.experiments:
        sheets, figures, is_held = EXPERIMENTS[name](stores, chosen)
        for sheet in sheets:
            show(sheet)
        results.add(name, sheets, figures, versions=_versions(feast))
        held = held and is_held
    if chosen.markdown:
        chosen.markdown.write_text(results.markdown(), encoding="utf-8")
    print(f"All figures are in {results.path}; what the servers said is in {stores.log}.")
    raise SystemExit(0 if held else 1)


def compare(stores: Stores, chosen: argparse.Namespace) -> tuple[list[Sheet], object, bool]:
    """Latency and throughput beside the rivals."""
    if stores.feast is None:
        print("Feast is left out: it is not installed. Run with --install.", file=sys.stderr)
    everyone = contestants.contestants(stores.data, feast=stores.feast is not None)
    taking_part = [one for one in everyone if not chosen.contestants or one.key in chosen.contestants]
    keys = {one.key for one in taking_part}
    filled = fill(stores, keys, again=chosen.fill_again)
    done = contest.compete(stores, taking_part, repeats=chosen.repeats, seconds=chosen.seconds)
    lookups = in_process.look_up(stores, keys, repeats=chosen.repeats, seconds=chosen.seconds / 2)
    sheets = [
        reporting.targets_sheet(done, lookups),
        *reporting.sheets(done, taking_part),
        reporting.in_process_sheet(lookups),
        reporting.servers_sheet(done, taking_part, filled),
    ]
    figures = {
        "drives": [{**asdict(one.case), "drives": [asdict(drive) for drive in one.drives]} for one in done.measured.values()],
        "in process": [asdict(one) for one in lookups],
        "memory": done.memory,
        "ready": done.ready,
        "missing": done.missing,
        "filled": filled,
    }
    return sheets, figures, not any(one.total(lambda drive: drive.wrong) for one in done.measured.values())


def soaked(stores: Stores, chosen: argparse.Namespace) -> tuple[list[Sheet], object, bool]:
    """Steady load while everything around the server changes."""
    found = soak.soak(stores, chosen.minutes)
    return soak.sheets(found), soak.as_json(found), found.held


def killed(stores: Stores, chosen: argparse.Namespace) -> tuple[list[Sheet], object, bool]:
    """`kill -9` of the server and of the stream under load."""
    found = kills.kill(stores, chosen.kills, chosen.seed)
    return [kills.sheet(found)], [asdict(one) for one in found], all(one.held for one in found)


def fuzzed(stores: Stores, chosen: argparse.Namespace) -> tuple[list[Sheet], object, bool]:
    """Requests made up from the OpenAPI description."""
    rounds = fuzz.fuzz(stores, chosen.minutes / 3, chosen.seed)
    return [fuzz.sheet(rounds)], fuzz.as_json(rounds), fuzz.held(rounds)


EXPERIMENTS: dict[str, Callable[[Stores, argparse.Namespace], tuple[list[Sheet], object, bool]]] = {
    "compare": compare,
    "soak": soaked,
    "kills": killed,
    "fuzz": fuzzed,
}
_QUICK = {"accounts": 2000, "repeats": 1, "seconds": 1.0, "minutes": 0.5, "kills": 1}


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument(
        "experiments",
        nargs="*",
        choices=[*EXPERIMENTS, []],
        metavar="EXPERIMENT",
        help=f"of {', '.join(EXPERIMENTS)}; compare unless given",
    )
    parser.add_argument("--quick", action="store_true", help="few accounts and seconds, to try the script")
    parser.add_argument("--accounts", type=int, default=100_000, help="entities in the online stores")
    parser.add_argument("--contestants", nargs="+", help="keys of those that take part, such as: ours plain mlflow feast trivial")
    parser.add_argument("--repeats", type=int, default=5, help="turns of each server")
    parser.add_argument("--seconds", type=float, default=5.0, help="that each case is asked in each turn")
    parser.add_argument("--minutes", type=float, default=30.0, help="of the soak; the fuzzing takes a third of it")
    parser.add_argument("--kills", type=int, default=10, help="how often each process is killed")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the moments of kills, and of the fuzzing")
    parser.add_argument("--folder", type=Path, default=ROOT / "data" / "benchmarks", help="for generated files, and the result")
    parser.add_argument("--feast", type=Path, help="folder of Feast's environment (default: feast, in the folder)")
    parser.add_argument("--install", action="store_true", help="make Feast's environment where there is none, or an older one")
    parser.add_argument("--fill-again", action="store_true", help="fill our stores anew, after the online store's code has changed")
    parser.add_argument("--markdown", type=Path, help="a file to write the tables to, as Markdown")
    chosen = parser.parse_args(arguments)
    chosen.experiments = chosen.experiments or ["compare"]
    if chosen.quick:
        vars(chosen).update(_QUICK)
    return chosen


def _versions(feast: Path | None) -> dict[str, str]:
    ours = versions(Path(sys.executable), PACKAGES)
    theirs = versions(feast, FEAST_PACKAGES) if feast else {}
    return ours | {name if name == "feast" else f"Feast's {name}": version for name, version in theirs.items()}


if __name__ == "__main__":
    main()
