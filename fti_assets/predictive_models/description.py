"""What a model file says of itself besides its weights, as JSON inside it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fti_assets.predictive_models.errors import ModelFileError
from fti_assets.transformations import FittedTransformations

KEY = "fti_assets"
"""Under which the text stands in a file's metadata."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """The transformations and the label of a model, and what its framework needs besides to build it.

    Attributes:
        settings: of the framework, such as the sizes of a network's layers.
    """

    transformations: FittedTransformations
    label: str
    settings: Mapping[str, Any]

    @property
    def text(self) -> str:
        said = {"transformations": self.transformations.as_data(), "label": self.label, "settings": dict(self.settings)}
        return json.dumps(said, sort_keys=True)

    @classmethod
    def read(cls, text: str | None, source: str) -> Description:
        """What `text` wrote; `source` names the file in errors.

        Raises:
            ModelFileError: there is none, or it is not written so.
        """
        if text is None:
            raise ModelFileError(
                f"{source} is a model without transformations.", next_step="Save it with the `save` of a predictive model."
            )
        try:
            said = json.loads(text)
            transformations = FittedTransformations.from_data(said["transformations"])
            return cls(transformations=transformations, label=said["label"], settings=said["settings"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ModelFileError(
                f"The description in {source} cannot be read: {error!r}.", next_step="Restore the file from a backup."
            ) from error


def safetensors_metadata(content: bytes) -> dict[str, str]:
    """The metadata of a file in safetensors' format: JSON behind its length in eight bytes."""
    length = int.from_bytes(content[:8], "little")
    return dict(json.loads(content[8 : 8 + length]).get("__metadata__", {}))
