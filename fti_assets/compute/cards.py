"""The GPUs of this machine, each held by one training at a time: a lock that every process on the machine heeds."""

from __future__ import annotations

import getpass
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from fti_assets.compute.devices import gpus
from fti_assets.errors import FtiError, not_found

VISIBLE = "CUDA_VISIBLE_DEVICES"
_POLL_SECONDS = 0.5


class BusyCardsError(FtiError):
    """Every card was held by another training for as long as one may wait.

    Attributes:
        holders: what each card is used for, by card.
    """

    def __init__(self, holders: Mapping[str, str], waited: float) -> None:
        self.holders = dict(holders)
        told = "; ".join(f"card {card}: {holder}" for card, holder in self.holders.items())
        super().__init__(
            f"No GPU came free within {waited:g} seconds. {told}.",
            next_step="Wait for these trainings, or raise wait_seconds of the profile.",
        )


def visible_cards(environment: Mapping[str, str] = os.environ, count: Callable[[], int] = gpus) -> tuple[str, ...]:
    """The cards that this process may use, by the names that CUDA_VISIBLE_DEVICES takes: numbers, or UUIDs where it has some."""
    there = count()
    named = [card.strip() for card in environment.get(VISIBLE, "").split(",") if card.strip()]
    return tuple(named[:there]) if named else tuple(str(number) for number in range(there))


def chosen_cards(wanted: Sequence[str], visible: Sequence[str]) -> tuple[str, ...]:
    """The cards that a profile names, or all that are visible where it names none.

    Raises:
        NotFoundError: a card that it names is not there.
    """
    for card in wanted:
        if card not in visible:
            raise not_found("Card", card, visible, where="what this process sees")
    return tuple(wanted) or tuple(visible)


def locks_folder() -> Path:
    """Where the locks lie unless a profile says otherwise: one folder for each user of this machine, whatever system trains."""
    return Path(tempfile.gettempdir()) / f"fti-cards-{getpass.getuser()}"


@contextmanager
def hold_card(cards: Sequence[str], purpose: str, *, folder: Path, wait_seconds: float) -> Iterator[str]:
    """Holds one of `cards` for as long as the block lasts; the system frees it when this process dies, however it dies.

    Args:
        cards: names of the cards; the first free one is taken.
        purpose: told to those who wait in vain.
        folder: of the lock files, the same for all who share the cards.
        wait_seconds: how long to wait for one to come free.

    Raises:
        BusyCardsError: none came free.
    """
    folder.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + wait_seconds
    while True:
        for card in cards:
            try:
                held = FileLock(folder / f"{card}.lock").acquire(timeout=0)
            except Timeout:
                continue
            with held:
                _holder(folder, card).write_text(f"process {os.getpid()}, {purpose}")
                yield card
                return
        if time.monotonic() >= deadline:
            raise BusyCardsError({card: _holder_of(folder, card) for card in cards}, wait_seconds)
        time.sleep(min(_POLL_SECONDS, max(0.0, deadline - time.monotonic())))


def _holder(folder: Path, card: str) -> Path:
    return folder / f"{card}.holder"


def _holder_of(folder: Path, card: str) -> str:
    try:
        return _holder(folder, card).read_text() or "somebody"
    except FileNotFoundError:
        return "somebody"
