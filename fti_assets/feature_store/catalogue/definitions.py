"""Definitions as data: what a view or a training dataset is, as JSON that is understood without the code that defined it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from fti_assets.errors import DefinitionError, not_found
from fti_assets.vocabulary import FeatureGroup, FeatureView, Model, Monitor, Predictions, StagedTable, TrainingDataset

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Definition = FeatureGroup | FeatureView | TrainingDataset | StagedTable | Model | Predictions | Monitor

_KINDS: dict[str, type[Definition]] = {
    kind.__name__: kind for kind in (FeatureGroup, FeatureView, TrainingDataset, StagedTable, Model, Predictions, Monitor)
}
_KIND = "kind"


def as_data(definition: Definition) -> dict[str, Any]:
    """A definition, with everything that it refers to, as values that JSON can hold; `from_data` makes an equal one of them.

    Every field is written out, so that another default in a later version does not change what is meant.
    """
    kind = type(definition).__name__
    return {_KIND: kind, **_adapter(kind).dump_python(definition, mode="json")}


def from_data(data: Mapping[str, Any]) -> Any:
    """The definition that `as_data` wrote.

    Raises:
        DefinitionError: the data say something that this version does not understand, or that contradicts itself.
        NotFoundError: they are of a kind that is unknown.
    """
    from pydantic import ValidationError

    said = dict(data)
    kind = str(said.pop(_KIND, "nothing"))
    if kind not in _KINDS:
        raise not_found("Kind", kind, _KINDS, where="what a stored definition can be")
    try:
        definition = _adapter(kind).validate_json(json.dumps(said), strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "it"
        raise DefinitionError(f"A stored {kind} cannot be read: {where}: {first['msg']}.", next_step=_OTHER_VERSION) from error
    unknown = list(_unknown(said, as_data(definition)))
    if unknown:
        raise DefinitionError(f"A stored {kind} says {', '.join(unknown[:5])}, which is not understood.", next_step=_OTHER_VERSION)
    return definition


_OTHER_VERSION = "Read it with the version of fti-assets that stored it, or a newer one."


@cache
def _adapter(kind: str) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter

    return TypeAdapter(_KINDS[kind])


def _unknown(stored: Any, read: Any, path: str = "") -> Iterator[str]:
    """Paths of what is stored but was not read: left out silently, it would make something else than what was meant."""
    if isinstance(stored, dict) and isinstance(read, dict):
        for name, value in stored.items():
            where = f"{path}.{name}".removeprefix(".")
            if name not in read:
                yield where
            else:
                yield from _unknown(value, read[name], where)
    elif isinstance(stored, list) and isinstance(read, list):
        for n, (one, other) in enumerate(zip(stored, read, strict=False)):
            yield from _unknown(one, other, f"{path}.{n}")
