"""The online store: the newest values of entities, for predictions at the moment of asking."""

from fti_assets.online_store.errors import OnlineLockedError, OnlineStoreError
from fti_assets.online_store.features import FoundFeatures, OnlineFeatures, OnlineRow, Source, Status
from fti_assets.online_store.loading import Updated
from fti_assets.online_store.lookup import OnlineView
from fti_assets.online_store.store import OnlineStore
from fti_assets.online_store.tables import OnlineTable
from fti_assets.online_store.windows import Added

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
