"""`python -m benchmarks.training.card`: the trainers on this machine's GPU, beside its CPUs and beside what the card can do."""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from benchmarks.measuring import ROOT
from benchmarks.sheets import Sheet, markdown, show
from benchmarks.training.data import NETWORK, generate, view
from fti_assets.predictive_models.torch import NetworkShape
from fti_assets.training import TorchTrainer, TrainingData, TrainingRun, XGBoostTrainer
from fti_assets.training.matrix import Matrices, matrices
from fti_assets.training.trainers.torch import Fitting
from fti_assets.training.trainers.torch_batches import shuffled
from fti_assets.training.trainers.torch_steps import CapturedStep

_STEPS = 200


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training.card", description=__doc__)
    parser.add_argument("--rows", type=int, default=4_000_000, help="of the training split")
    parser.add_argument("--batch-rows", type=int, nargs="+", default=[1024, 8192, 65536])
    parser.add_argument("--trainers", choices=_SHEETS, nargs="+", default=list(_SHEETS))
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--threads", type=int, help="of the CPU; all cores unless given")
    parser.add_argument("--without-cpu", action="store_true", help="measure the card alone")
    parser.add_argument("--folder", type=Path, default=ROOT / "data" / "benchmarks" / "training", help="for generated files")
    parser.add_argument("--markdown", type=Path, help="a file to write the tables to")
    asked = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("This PyTorch shows no GPU: there is nothing to measure.")
    dataset = generate(asked.folder, asked.rows)
    sheets = []
    for name in asked.trainers:
        sheets.append(_SHEETS[name](dataset, asked))
        show(sheets[-1])
    if asked.markdown:
        asked.markdown.write_text(markdown(sheets))


def _network(dataset: Path, asked: argparse.Namespace) -> Sheet:
    """Rows per second of the network's training, and of its parts."""
    data, lines = TrainingData(dataset, view(), NETWORK), []
    run = TrainingRun(device="cuda", workspace=asked.folder / "matrices")
    with matrices(data, run) as made:
        per_row = _operations(made)
        limit = _matrix_rate() / per_row
        if not asked.without_cpu:
            cpu = _epochs(made, TorchTrainer(epochs=1), replace(run, device="cpu", threads=asked.threads))
            lines.append(("CPU: an epoch, batches of 1,024", *_cells(cpu, limit, cpu)))
        for rows in asked.batch_rows:
            trainer = TorchTrainer(epochs=asked.epochs, batch_rows=rows)
            captured = _epochs(made, trainer, run)
            for title, figure in (
                (f"GPU: an epoch, batches of {rows:,}", captured),
                ("   the same without the capture", _epochs(made, trainer, run, captured=False)),
                ("   its steps alone, on one batch", _steps(made, trainer, run)),
                ("   its batches alone", _batches(made, rows)),
            ):
                lines.append((title, *_cells(figure, limit, cpu if not asked.without_cpu else None)))
    lines.append(("GPU: its matrix products, if nothing else were done", f"{limit:,.0f}", "", "100"))
    note = f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}; a row needs {per_row / 1e6:.2f} million operations in"
    note += f" matrix products; the card does {_matrix_rate() / 1e12:,.0f} TFLOP/s of those (bfloat16, 8192 x 8192, measured here)."
    return Sheet(f"A network on {asked.rows:,} rows of 30 features", ("", "rows/s", "x CPU", "% of the products"), lines, note)


def _cells(rate: float, limit: float, cpu: float | None) -> tuple[str, str, str]:
    return f"{rate:,.0f}", f"{rate / cpu:.1f}" if cpu else "", f"{100 * rate / limit:.3f}"


def _epochs(made: Matrices, trainer: TorchTrainer, run: TrainingRun, *, captured: bool = True) -> float:
    """Rows per second of an epoch, validation split included: the median, without the first epoch where there are several."""
    fitting = Fitting.start(trainer, made, run)
    if not captured and isinstance(fitting.step, CapturedStep):
        fitting.step = fitting.step.step
    seconds = list(_timed(fitting.go_through, trainer.epochs))
    return len(made.train) / statistics.median(seconds[1:] or seconds)


def _timed(work: Callable[[int], object], times: int) -> Iterator[float]:
    for number in range(times):
        started = time.perf_counter()
        work(number)
        torch.cuda.synchronize()
        yield time.perf_counter() - started


def _steps(made: Matrices, trainer: TorchTrainer, run: TrainingRun) -> float:
    """Rows per second of steps on a batch that is on the card already."""
    fitting = Fitting.start(trainer, made, run)
    draw = np.random.default_rng(0)
    batch = next(iter(shuffled(made.train, trainer.batch_rows, draw, device="cuda")))

    def steps(_: int) -> None:
        for _ in range(_STEPS):
            fitting.step(*batch)

    return trainer.batch_rows * _STEPS / statistics.median(list(_timed(steps, 4))[1:])


def _batches(made: Matrices, batch_rows: int) -> float:
    """Rows per second that are drawn and copied to the card."""

    def draw(number: int) -> None:
        for _ in shuffled(made.train, batch_rows, np.random.default_rng(number), device="cuda"):
            pass

    return len(made.train) / statistics.median(list(_timed(draw, 3))[1:])


def _operations(made: Matrices) -> float:
    """Operations of a row in matrix products: forward, and twice that backward."""
    trainer = TorchTrainer()
    shape = NetworkShape.of(made.transformations.columns, trainer.hidden, trainer.dropout)
    widths = [len(shape.numbers) + sum(shape.embedding), *shape.hidden, 1]
    return 3 * 2 * sum(one * other for one, other in itertools.pairwise(widths))


def _matrix_rate() -> float:
    """Operations per second of a large matrix product in bfloat16."""
    size = 8192
    one, other = (torch.randn(size, size, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    return 2 * size**3 / statistics.median(list(_timed(lambda _: one @ other, 12))[2:])


def _trees(dataset: Path, asked: argparse.Namespace) -> Sheet:
    """Seconds of XGBoost's training from matrices that are there, CPU and card."""
    data, lines = TrainingData(dataset, view()), []
    run = TrainingRun(workspace=asked.folder / "matrices")
    trainer = XGBoostTrainer(rounds=asked.rounds, early_stopping_rounds=asked.rounds)
    with matrices(data, run):
        pass  # written beforehand, for both alike
    devices = {"GPU": "cuda"} if asked.without_cpu else {"CPU": "cpu", "GPU": "cuda"}
    took: dict[str, float] = {}
    for title, device in devices.items():
        placed = replace(run, device=device, threads=asked.threads if device == "cpu" else None)
        took[title], loss = _fits(trainer, data, placed, times=1 if device == "cpu" else 3)
        beside = f"{took['CPU'] / took[title]:.1f}" if "CPU" in took else ""
        lines.append((title, f"{took[title]:.2f}", beside, f"{asked.rows / took[title]:,.0f}", f"{loss:.4f}"))
    columns = ("", "seconds", "x CPU", "rows/s", "validation log loss")
    return Sheet(f"XGBoost on {asked.rows:,} rows of 30 features, {asked.rounds} rounds", columns, lines)


def _fits(trainer: XGBoostTrainer, data: TrainingData, run: TrainingRun, *, times: int) -> tuple[float, float]:
    """Median seconds of a training, without the first where there are several, and its loss."""
    losses: list[float] = []

    def fit(_: int) -> None:
        losses.append(trainer.fit(data, run).learning_curve["logloss_validation"][-1])

    seconds = list(_timed(fit, times))
    return statistics.median(seconds[1:] or seconds), losses[-1]


_SHEETS = {"network": _network, "xgboost": _trees}

if __name__ == "__main__":
    main()
