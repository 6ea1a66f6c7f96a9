"""Snapshots: the numbered states of the lake, and which of them was there at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from duckdb import DuckDBPyConnection

from fti_assets.errors import NotFoundError


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One state of the lake; each commit makes one.

    Attributes:
        at: when it was made.
        author: the run that made it, where one did.
        message: what was done, as `publish features.x_v1`.
    """

    number: int
    at: datetime
    author: str = ""
    message: str = ""

    def __str__(self) -> str:
        return f"{self.number} ({self.at:%Y-%m-%d %H:%M:%S} UTC)"


_SNAPSHOTS = """
-- one row for each snapshot that was not expired
SELECT snapshot_id, snapshot_time, coalesce(author, ''), coalesce(commit_message, '') FROM lake.snapshots() ORDER BY snapshot_id
"""


def snapshots(connection: DuckDBPyConnection) -> list[Snapshot]:
    """The snapshots that are kept, oldest first."""
    return [Snapshot(*row) for row in connection.execute(_SNAPSHOTS).fetchall()]


def snapshot_at(existing: Sequence[Snapshot], instant: datetime) -> int:
    """The newest snapshot at or before an instant; a naive one is in UTC.

    Raises:
        NotFoundError: it is from before the lake, or what the lake was then has expired.
    """
    instant = instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
    then = f"what the lake was at {instant:%Y-%m-%d %H:%M:%S} UTC"
    before = [snapshot for snapshot in existing if snapshot.at <= instant]
    if not before:
        raise NotFoundError(f"No snapshot shows {then}. The oldest that is kept is {existing[0]}.")
    number = before[-1].number
    following = next((snapshot for snapshot in existing if snapshot.number > number), None)
    # Numbers have no gaps. Where the next one is missing, it may have been made before the instant.
    if following is not None and following.number != number + 1:
        raise NotFoundError(
            f"No snapshot shows {then}: snapshots {number + 1} to {following.number - 1} have expired."
            f" The nearest that are kept are {before[-1]} and {following}.",
            next_step="Read one of these, or give known_at, which needs no snapshot: feature groups keep what they were.",
        )
    return number


def check_exists(connection: DuckDBPyConnection, number: int) -> None:
    """Refuses the number of a snapshot that is not kept.

    Raises:
        NotFoundError: it never was, or has expired.
    """
    existing = snapshots(connection)
    if number not in {snapshot.number for snapshot in existing}:
        raise NotFoundError(
            f"There is no snapshot {number}. There are {len(existing):,}, from {existing[0]} to {existing[-1]}.",
            next_step="`fti lake snapshots` lists them.",
        )
