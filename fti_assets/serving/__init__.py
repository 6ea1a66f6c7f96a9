"""The server for predictions at the moment of asking: features from the online store, the champion from the registry.

Importing it imports no framework of HTTP.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fti_assets.serving.errors import ServingError
from fti_assets.serving.settings import Limits, LogLimits, Settings, read_settings
from fti_assets.serving.system import ServedSystem

if TYPE_CHECKING:
    from fti_assets.serving.app import create_app as create_app

__all__ = ["Limits", "LogLimits", "ServedSystem", "ServingError", "Settings", "create_app", "read_settings"]


def __getattr__(name: str) -> Any:
    if name == "create_app":
        from fti_assets.serving.app import create_app

        return create_app
    raise AttributeError(f"module 'fti_assets.serving' has no attribute '{name}'. It has: {', '.join(__all__)}.")
