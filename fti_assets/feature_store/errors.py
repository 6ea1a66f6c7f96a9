"""What can go wrong in the feature store."""

from __future__ import annotations

from fti_assets.errors import FtiError


class PublishError(FtiError):
    """Rows do not fit the table that they are published into; nothing was changed."""


class IncompatibleSchemaError(FtiError):
    """A definition differs from the published table in a way that would break its readers."""


class LockedError(FtiError):
    """Another process is writing to the lake and did not finish in time."""


class LeakError(FtiError):
    """A training row holds a feature that became known only after the row's time; nothing was stored."""


class MissingFeaturesError(FtiError):
    """Features that a window needs have not been published."""
