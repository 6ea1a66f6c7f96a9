"""What can go wrong in the feature store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from fti_assets.errors import FtiError

if TYPE_CHECKING:
    from fti_assets.feature_store.history.holds import Hold
    from fti_assets.feature_store.publishing.contracts import Change


class PublishError(FtiError):
    """Rows do not fit the table that they are published into; nothing was changed."""


class IncompatibleContractError(FtiError):
    """A definition differs from the published table in a way that would break its readers; nothing was changed.

    Attributes:
        changes: the differences that would break them.
    """

    def __init__(self, table: str, changes: Sequence[Change], *, next_version: int | None = None) -> None:
        self.changes = tuple(changes)
        listed = "; ".join(map(str, self.changes))
        beside = f"version={next_version}" if next_version else "another name or version"
        super().__init__(
            f"'{table}' is published under another contract: {listed}. Nothing was changed.",
            next_step=f"Give the changed one {beside}: it will stand beside this one, and its readers move when they are ready.",
        )


class LockedError(FtiError):
    """Another process is writing to the lake and did not finish in time."""


class LeakError(FtiError):
    """A training row holds a feature that became known only after the row's time; nothing was stored."""


class MissingFeaturesError(FtiError):
    """Features that a window needs have not been published."""


class AddressError(FtiError):
    """The address of a lake's catalogue or files is not written as it must be, or is not the one that the lake was made with."""


class UnreachableError(FtiError):
    """A lake's catalogue or files cannot be reached, or refuse access."""


class MissingExtraError(FtiError):
    """An optional part of this package is needed and not installed."""


class TagExistsError(FtiError):
    """A name was to be given to a snapshot that is the name of another one."""


class HeldSnapshotError(FtiError):
    """A snapshot that something refers to was to expire; nothing was changed.

    Attributes:
        holds: what refers to which snapshot.
    """

    def __init__(self, holds: Sequence[Hold]) -> None:
        self.holds = tuple(holds)
        numbers = sorted({hold.snapshot for hold in holds})
        listed = ", ".join(f"{number} ({', '.join(hold.by for hold in holds if hold.snapshot == number)})" for number in numbers)
        super().__init__(
            f"What something refers to cannot expire: snapshot{'s' if len(numbers) > 1 else ''} {listed}. Nothing was changed.",
            next_step="Leave it out, or give up first what refers to it: fti lake untag NAME, or remove the dataset or model.",
        )


class DamagedFilesError(FtiError):
    """Files are gone or not what was written; what would have read or copied them was not done.

    Attributes:
        paths: of the files, below the lake's data path or the folder of the backup.
    """

    def __init__(self, paths: Sequence[str], what_was_not_done: str, *, next_step: str) -> None:
        self.paths = tuple(paths)
        more = f", and so {'is' if len(paths) == 2 else 'are'} {len(paths) - 1:,} more" if len(paths) > 1 else ""
        super().__init__(f"{paths[0]} is gone or not what was written{more}; {what_was_not_done}.", next_step=next_step)


class DiskFullError(FtiError):
    """There is no room left for what was to be written; it was undone, and what was published before is whole."""


class BackupError(FtiError):
    """A backup cannot be made or restored as asked; nothing that was there has been changed."""
