"""What can be wrong with a server, or with what it is asked."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from fti_assets.errors import FtiError


class ServingError(FtiError):
    """A server cannot start as it was asked to."""


class RequestError(Exception):
    """A request that is not answered. It is the asker's to change, unless the status is 503.

    Attributes:
        status: of HTTP.
        what: is wrong, one sentence.
        where: in the request, as `rows[3].scheduled_departure`; empty where it is the request as a whole.
        expected: what would have been right.
        next_step: what the asker can do about it.
        retry_after: seconds after which it may be asked again; only with 503.
    """

    def __init__(
        self, status: int, what: str, *, where: str = "", expected: str = "", next_step: str = "", retry_after: int | None = None
    ) -> None:
        super().__init__(what)
        self.status, self.what, self.where, self.expected, self.next_step = status, what, where, expected, next_step
        self.retry_after = retry_after

    def as_data(self) -> dict[str, dict[str, str]]:
        """As it is answered."""
        return {"error": {"what": self.what, "where": self.where, "expected": self.expected, "next": self.next_step}}

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        expected = f" Expected {self.expected}." if self.expected else ""
        return f"{place}{self.what}{expected}{f' {self.next_step}' if self.next_step else ''}"


def close_to(name: str, existing: Iterable[str]) -> str:
    """`Did you mean 'origin'?`, where one of the names is close."""
    lower = {one.lower(): one for one in existing}
    close = get_close_matches(name[:200].lower(), lower, n=1)
    return f"Did you mean '{lower[close[0]]}'?" if close else ""
