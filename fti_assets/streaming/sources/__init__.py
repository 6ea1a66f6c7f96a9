"""Where events come from: senders that push them, or a log that is followed."""

from fti_assets.streaming.sources.source import EventSource

__all__ = ["EventSource"]
