"""Where the shared stores are: what the environment says, for pipelines and commands alike. Nothing is created by looking.

Each function reads the environment when it is called, not at import.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fti_assets.collection import LandingZone
    from fti_assets.feature_store import FeatureStore
    from fti_assets.model_registry import ModelRegistry
    from fti_assets.online_store import OnlineStore


def data_root() -> Path:
    """Folder of the embedded stores: `$FTI_DATA_DIR`, or `data` in the working directory."""
    return Path(os.environ.get("FTI_DATA_DIR") or "data")


def lake_catalog() -> str | None:
    """Address of the lake's catalogue: `$FTI_LAKE_CATALOG`; None is SQLite in `data_root()`."""
    return os.environ.get("FTI_LAKE_CATALOG") or None


def lake_data() -> str | None:
    """Address of the lake's files: `$FTI_LAKE_DATA`; None is a folder in `data_root()`."""
    return os.environ.get("FTI_LAKE_DATA") or None


def lake_place() -> str:
    """Where the lake is, for messages; without a password."""
    return str(feature_store().lake.catalog) if lake_catalog() else str(data_root() / "lake")


def landing_folder() -> Path:
    """Folder into which partners deliver files."""
    return data_root() / "landing"


def online_address() -> str | Path:
    """Address of the online store: `$FTI_ONLINE_STORE`, or a folder in `data_root()`."""
    return os.environ.get("FTI_ONLINE_STORE") or data_root() / "online"


def inference_log_folder() -> Path:
    """Folder in which servers keep what they were asked until it is landed in the lake."""
    return data_root() / "inference_log"


def tracking_uri() -> str:
    """Address of the model registry: `$MLFLOW_TRACKING_URI`, or SQLite in `data_root()`."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{data_root().resolve() / 'mlflow' / 'mlflow.db'}"


def registry_place() -> str:
    """Where the model registry is, for messages; without a password."""
    from urllib.parse import urlsplit

    uri = tracking_uri()
    try:
        address = urlsplit(uri)
    except ValueError:
        return "$MLFLOW_TRACKING_URI"
    return address._replace(netloc=address.netloc.rpartition("@")[2]).geturl() if "@" in address.netloc else uri


def feature_store() -> FeatureStore:
    """The feature store.

    Raises:
        AddressError: an address in the environment is not written as one.
    """
    from fti_assets.feature_store import FeatureStore

    return FeatureStore(data_root(), catalog=lake_catalog(), data=lake_data())


def online_store() -> OnlineStore:
    """The online store.

    Raises:
        OnlineStoreError: the address in the environment is not written as one, or needs an extra that is not installed.
    """
    from fti_assets.online_store import OnlineStore

    return OnlineStore(online_address())


def landing_zone() -> LandingZone:
    from fti_assets.collection import LandingZone

    return LandingZone(landing_folder())


def model_registry() -> ModelRegistry:
    from fti_assets.model_registry import ModelRegistry

    return ModelRegistry(tracking_uri())
