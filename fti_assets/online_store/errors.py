"""What can go wrong in the online store."""

from __future__ import annotations

from fti_assets.errors import FtiError


class OnlineStoreError(FtiError):
    """The online store cannot be reached, is full or damaged, or was given what it cannot keep; nothing was changed."""


class OnlineLockedError(OnlineStoreError):
    """Another writer did not finish in time; nothing was changed."""
