"""What can go wrong with a stream of events."""

from __future__ import annotations

from fti_assets.errors import FtiError


class StreamError(FtiError):
    """Events cannot be taken, by no fault of theirs; none of those in question is kept, and they can be sent again."""


class QueueFullError(StreamError):
    """More events wait to be landed in the lake than may."""


class LandingError(StreamError):
    """Events that were taken could not be landed in the lake; they wait on."""
