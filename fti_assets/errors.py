"""Errors that say what is wrong, where, what exists and what to do next."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class FtiError(Exception):
    """Base of every error that the platform raises on purpose.

    Attributes:
        next_step: what the reader can do about it, one sentence; None where the message says it already.
    """

    def __init__(self, message: str, *, next_step: str | None = None) -> None:
        self.next_step = next_step
        super().__init__(f"{message} {next_step}" if next_step else message)


class DefinitionError(FtiError):
    """A definition (entity, feature group, view, model, pipeline) contradicts itself or another one."""


class NotFoundError(FtiError):
    """Something was asked for by a name that nothing has."""


def not_found(what: str, name: str, existing: Iterable[str], *, where: str = "", next_step: str | None = None) -> NotFoundError:
    """An error that names what exists and, where one is close, what was probably meant."""
    known = sorted(existing)
    lower = {one.lower(): one for one in known}
    close = get_close_matches(name.lower(), lower, n=1)
    hint = f" Did you mean '{lower[close[0]]}'?" if close else ""
    listing = f" It has: {', '.join(known)}." if known else " It has none."
    place = f" in {where}" if where else ""
    return NotFoundError(f"{what} '{name}' is not{place or ' there'}.{hint}{listing}", next_step=next_step)
