"""Training in a child process that reports through Dagster Pipes, with a GPU of its own if the profile says so."""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import dagster as dg

from fti_assets.compute import (
    Ended,
    GpuProfile,
    ProcessProfile,
    cause_of_death,
    chosen_cards,
    gpus,
    hold_card,
    lock_names,
    locks_folder,
    resolve_device,
    run_child,
    visible_cards,
)
from fti_assets.compute.cards import VISIBLE
from fti_assets.pipelines.training_task import TrainingTask, addresses, import_path, said_by_worker
from fti_assets.training import TrainingSpec

WORKER = ("-m", "fti_assets.training.worker")


def run_in_child(task: TrainingTask, profile: ProcessProfile | GpuProfile, *, count: Callable[[], int] = gpus) -> Mapping[str, Any]:
    """Does a task in a child process; returns what its worker told.

    Args:
        task: what is to be done.
        profile: how the child is to be.
        count: tells how many GPUs there are.

    Raises:
        DeviceError: the GPU that the profile is about is not there; nothing was started.
        BusyCardsError: no GPU came free.
        TrainingFailedError: the worker failed or died; the error says of what.
    """
    if isinstance(profile, ProcessProfile):
        return _run(task, profile, task.spec(device=profile.device, fallback_to_cpu=profile.fallback_to_cpu), {})
    device = resolve_device("cuda", fallback_to_cpu=profile.fallback_to_cpu, warn=task.context.log.warning, count=count)
    if device == "cpu":
        return _run(task, profile, task.spec(device="cpu"), {VISIBLE: ""})
    with card_for(task.program.model.name, profile, visible_cards(count=count)) as card:
        task.context.log.info(f"Training on card {card}")
        return _run(task, profile, task.spec(device="cuda"), {VISIBLE: card})


@contextmanager
def card_for(model: str, profile: GpuProfile, visible: Sequence[str]) -> Iterator[str]:
    """Holds one of the cards that the profile allows, of those that are visible."""
    cards, folder = chosen_cards(profile.cards, visible), profile.locks or locks_folder()
    purpose, locks = f"training of '{model}'", lock_names(visible)
    with hold_card(cards, purpose, folder=folder, wait_seconds=profile.wait_seconds, locks=locks) as card:
        yield card


def _run(
    task: TrainingTask, profile: ProcessProfile | GpuProfile, spec: TrainingSpec, variables: Mapping[str, str]
) -> Mapping[str, Any]:
    with dg.open_pipes_session(
        context=task.context.op_execution_context,  # that of assets warns of what Pipes asks it
        context_injector=dg.PipesTempFileContextInjector(),
        message_reader=dg.PipesTempFileMessageReader(),
    ) as session:
        ended = run_child(
            [profile.python or sys.executable, *WORKER, "-"],
            environment={**_environment(task, profile), **variables, **session.get_bootstrap_env_vars()},
            input_text=spec.text,
            timeout=profile.timeout_seconds,
            grace=profile.grace_seconds,
            on_line=_hand_on,
        )
    said = said_by_worker(session.get_custom_messages())  # those of a child that has ended are complete once the session is closed
    return task.answer(said, _cause(ended, profile))


def _environment(task: TrainingTask, profile: ProcessProfile | GpuProfile) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": import_path(),
        "PYTHONUNBUFFERED": "1",
        "PYTHONFAULTHANDLER": "1",  # a crash inside a library shows where
        **addresses(task.lake, task.registry),
        **profile.env,
    }


def _cause(ended: Ended, profile: ProcessProfile | GpuProfile) -> str:
    return cause_of_death(ended, profile.timeout_seconds)


def _hand_on(stream: str, line: str) -> None:
    """To the streams of this process, from which Dagster takes the logs of the step. A log that is lost costs no training."""
    place = sys.stdout if stream == "stdout" else sys.stderr
    encoding = place.encoding or "utf-8"
    with suppress(OSError, ValueError):
        place.write(line.encode(encoding, "replace").decode(encoding))
