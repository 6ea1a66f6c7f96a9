"""Events as they happen: into the online store at once, into the lake in small batches."""

from fti_assets.streaming.errors import QueueFullError, StreamError
from fti_assets.streaming.groups import StreamedGroup, streamed_groups
from fti_assets.streaming.processor import Batch, Ingested, StreamProcessor

__all__ = ["Batch", "Ingested", "QueueFullError", "StreamError", "StreamProcessor", "StreamedGroup", "streamed_groups"]
