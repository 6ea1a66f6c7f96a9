"""The GPUs of this machine, each held by one training at a time: a lock that every process on the machine heeds."""

from __future__ import annotations

import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from fti_assets.compute.devices import gpu_uuids, gpus
from fti_assets.errors import FtiError, not_found

VISIBLE = "CUDA_VISIBLE_DEVICES"
_POLL_SECONDS = 0.5


class LocksFolderError(FtiError):
    """The folder of the locks cannot be trusted."""


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


def lock_names(visible: Sequence[str], uuids: Callable[[], Sequence[str]] = gpu_uuids) -> dict[str, str]:
    """Names of the locks of the cards that are visible: one card has one lock, whether it is called by its number or its UUID.

    Args:
        visible: what `visible_cards` gave.
        uuids: those of the same cards in the same order; where the driver does not tell them, the name of a card has to do.
    """
    known = uuids()
    return dict(zip(visible, known if len(known) == len(visible) else visible, strict=True))


def locks_folder(temporary: Path | None = None) -> Path:
    """Where the locks lie unless a profile says otherwise: one folder for each user of this machine, whatever system trains.

    It is made if it is absent. Its name can be guessed, so one that somebody else has put there is refused.

    Raises:
        LocksFolderError: it is a link, belongs to another user, or others may write in it.
    """
    folder = (temporary or Path(tempfile.gettempdir())) / f"fti-cards-{os.getuid()}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    about = folder.lstat()
    if not stat.S_ISDIR(about.st_mode) or about.st_uid != os.getuid() or about.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise LocksFolderError(
            f"'{folder}', where the locks of the GPUs should lie, is not a folder of this user's that nobody else may write in.",
            next_step="Remove it, or name another folder in the profile: locks.",
        )
    return folder


@contextmanager
def hold_card(
    cards: Sequence[str], purpose: str, *, folder: Path, wait_seconds: float, locks: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Holds one of `cards` for as long as the block lasts; the system frees it when this process dies, however it dies.

    Args:
        cards: names of the cards; the first free one is taken.
        purpose: told to those who wait in vain.
        folder: of the lock files, the same for all who share the cards.
        wait_seconds: how long to wait for one to come free.
        locks: names of the locks by card, see `lock_names`; those of the cards unless given.

    Raises:
        BusyCardsError: none came free.
    """
    folder.mkdir(parents=True, exist_ok=True)
    named = locks or {}
    deadline = time.monotonic() + wait_seconds
    while True:
        for card in cards:
            lock = folder / f"{named.get(card, card)}.lock"
            try:
                held = FileLock(lock).acquire(timeout=0)
            except Timeout:
                continue
            with held:
                _write_holder(lock, f"process {os.getpid()}, {purpose}")
                yield card
                return
        if time.monotonic() >= deadline:
            holders = {card: _holder_of(folder / f"{named.get(card, card)}.lock") for card in cards}
            raise BusyCardsError(holders, wait_seconds)
        time.sleep(min(_POLL_SECONDS, max(0.0, deadline - time.monotonic())))


def _write_holder(lock: Path, text: str) -> None:
    """Follows no link, which somebody may have put there in a folder that is shared."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    with suppress(OSError), os.fdopen(os.open(lock.with_suffix(".holder"), flags, 0o644), "w") as file:
        file.write(text)


def _holder_of(lock: Path) -> str:
    try:
        return lock.with_suffix(".holder").read_text() or "somebody"
    except OSError:
        return "somebody"
