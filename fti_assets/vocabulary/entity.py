"""Entities: what rows are about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fti_assets.errors import DefinitionError
from fti_assets.vocabulary.names import checked_name
from fti_assets.vocabulary.table import Column


@dataclass(frozen=True, slots=True)
class Entity:
    """What a row is about, by its key columns. A key written as a plain name is a string."""

    name: str
    keys: tuple[Column, ...]

    def __init__(self, name: str, keys: Sequence[str | Column]) -> None:
        if isinstance(keys, str):
            raise DefinitionError(f"The keys of entity '{name}' are one text.", next_step=f"Write a tuple: keys=({keys!r},).")
        if not keys:
            raise DefinitionError(f"Entity '{name}' has no key.", next_step="Name at least one key column.")
        object.__setattr__(self, "name", checked_name(name, "An entity"))
        object.__setattr__(self, "keys", tuple(key if isinstance(key, Column) else Column(key, "string") for key in keys))

    @property
    def key_names(self) -> tuple[str, ...]:
        return tuple(key.name for key in self.keys)
