"""What holds snapshots, asked of both shared stores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fti_assets.cli.stores import feature_store, has_registry, model_registry
from fti_assets.errors import FtiError

if TYPE_CHECKING:
    from fti_assets.feature_store import Hold


def holds() -> list[Hold]:
    """What refers to snapshots: training datasets, tags and registered models.

    Raises:
        FtiError: there are models, and what is needed to ask for them is not installed.
    """
    from fti_assets.feature_store import holds_of_models

    own = feature_store().holds()
    if not has_registry():
        return own
    try:
        return [*own, *holds_of_models(model_registry())]
    except ModuleNotFoundError as error:
        raise FtiError(
            f"Models hold snapshots too, and the model registry cannot be asked: {error}.",
            next_step="Run: pip install fti-assets[training]",
        ) from error
