"""`python -m benchmarks.training`: what training costs beside plain XGBoost on the same matrix, in time and memory."""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

from benchmarks.measuring import ROOT, Run, Summary, run, summary
from benchmarks.sheets import Sheet, gib, markdown, show
from benchmarks.training.data import SIZES, generate

ROUNDS = {"small": 300, "large": 40}
JOB = Path(__file__).parent / "job.py"
TITLES = {
    "read": "reading every batch of the dataset",
    "plain": "plain xgboost.train, matrix in memory",
    "ours": "ours: XGBoostTrainer from Parquet",
    "torch_stream": "torch: one epoch of batches",
    "torch_epoch": "torch: one epoch of training",
    "log": "MLflow: one run with model, pictures and curves",
}


def main() -> None:
    asked = _arguments()
    sheets = []
    for size in SIZES if asked.size == "all" else [asked.size]:
        sheets.append(_sheet(size, _measure(size, asked)))
        show(sheets[-1])
    if asked.markdown:
        asked.markdown.write_text(markdown(sheets))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training", description=__doc__)
    parser.add_argument("--size", choices=[*SIZES, "all"], default="small", help="270,000 or 10 million training rows")
    parser.add_argument("--jobs", choices=TITLES, nargs="+", default=list(TITLES))
    parser.add_argument("--repeats", type=int, default=3, help="runs of each job, in turns")
    parser.add_argument("--time-limit", type=float, default=900, help="seconds after which a job is ended")
    parser.add_argument("--folder", type=Path, default=ROOT / "data" / "benchmarks", help="for generated files")
    parser.add_argument("--markdown", type=Path, help="a file to write the tables to")
    return parser.parse_args()


def _measure(size: str, asked: argparse.Namespace) -> dict[str, list[Run]]:
    folder = asked.folder / "training"
    dataset, work = generate(folder, SIZES[size]), folder / f"work-{size}"
    work.mkdir(exist_ok=True)
    rounds = ROUNDS[size]
    if "plain" in asked.jobs and not (work / "kinds.txt").exists():
        _job("prepare", dataset, work, rounds, asked.time_limit)
    found: dict[str, list[Run]] = {name: [] for name in asked.jobs}
    for _ in range(asked.repeats):
        for name, runs in found.items():
            runs.append(_job(name, dataset, work, rounds, asked.time_limit))
    return found


def _job(name: str, dataset: Path, work: Path, rounds: int, limit: float) -> Run:
    done = run(Path(sys.executable), JOB, name, dataset, work, rounds, limit=limit)
    print(f"  {name}: {done.outcome}, {done.seconds:.2f} s, {gib(done.peak_bytes)} GiB", file=sys.stderr, flush=True)
    return done


def _sheet(size: str, found: dict[str, list[Run]]) -> Sheet:
    rival = summary(found["plain"]) if "plain" in found else None
    lines = []
    for name, runs in found.items():
        took = summary(runs)
        beside = rival if name == "ours" else None
        rows = [float(str(one.said["rows"])) for one in runs if "rows" in one.said]
        seconds = statistics.median(float(str(one.said.get("epoch_seconds", one.seconds))) for one in runs)
        logged = [seconds for one in runs for seconds in one.said.get("log_seconds", [])]
        losses = [float(str(one.said["log_loss"])) for one in runs if "log_loss" in one.said]
        lines.append(
            (
                TITLES[name],
                _seconds(took, logged),
                f"{took.seconds / beside.seconds:.2f}" if beside else "",
                f"{took.seconds - beside.seconds:+.1f}" if beside else "",
                f"{took.cpu_seconds:.1f}",
                f"{took.cpu_seconds / beside.cpu_seconds:.2f}" if beside else "",
                gib(took.peak_bytes),
                f"{took.peak_bytes / beside.peak_bytes:.2f}" if beside else "",
                f"{rows[0] / seconds:,.0f}" if rows else "",
                f"{losses[0]:.4f}" if losses else "",
            )
        )
    columns = (
        "",
        "seconds",
        "x plain",
        "s more",
        "CPU s",
        "x plain's CPU",
        "peak GiB",
        "x plain's memory",
        "rows/s",
        "validation log loss",
    )
    title = f"Training: {SIZES[size]:,} rows of 30 features, {ROUNDS[size]} rounds"
    note = (
        "Imports are not counted. Peak memory counts mapped pages of files. Batches per second of an epoch leave out the matrices."
        " CPU seconds are those of all threads; other programs on the machine change them less than seconds."
    )
    return Sheet(title, columns, lines, note)


def _seconds(took: Summary, logged: list[float]) -> str:
    """Of the job; of each logged run where there are several."""
    if took.outcome != "ok":
        return took.outcome
    return f"{statistics.median(logged) if logged else took.seconds:.2f}"


if __name__ == "__main__":
    main()
