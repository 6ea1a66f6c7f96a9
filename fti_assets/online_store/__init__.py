"""The online store: the newest values of entities, for predictions at the moment of asking."""

from typing import TYPE_CHECKING, Any

from fti_assets.online_store.errors import OnlineLockedError, OnlineStoreError
from fti_assets.online_store.features import FoundFeatures, OnlineFeatures, OnlineRow, Source, Status
from fti_assets.online_store.loading import Updated
from fti_assets.online_store.store import OnlineStore
from fti_assets.online_store.tables import OnlineTable
from fti_assets.online_store.windows import Added

if TYPE_CHECKING:
    from fti_assets.online_store.lookup import OnlineView

__all__ = [
    "Added",
    "FoundFeatures",
    "OnlineFeatures",
    "OnlineLockedError",
    "OnlineRow",
    "OnlineStore",
    "OnlineStoreError",
    "OnlineTable",
    "OnlineView",
    "Source",
    "Status",
    "Updated",
]


def __getattr__(name: str) -> Any:
    """Loads numpy when views are first read; a stream of events reads none."""
    if name != "OnlineView":
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'. It has: {', '.join(__all__)}.")
    from fti_assets.online_store.lookup import OnlineView

    return OnlineView
