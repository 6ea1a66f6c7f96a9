"""Entities, and the tables that hold what is known about them: staged tables and feature groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from fti_assets.errors import DefinitionError
from fti_assets.vocabulary.contract import Contract
from fti_assets.vocabulary.names import checked_name
from fti_assets.vocabulary.table import Column, Feature, Table
from fti_assets.vocabulary.window import Daily


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


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedTable:
    """Collected data, typed and linked, that feature pipelines read: `staging.NAME`. Not for models to read."""

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    contract: Contract
    description: str = ""
    time: str | None = None
    cadence: Daily | None = None
    table: Table = field(init=False)

    def __post_init__(self) -> None:
        table = Table(schema="staging", name=self.name, columns=self.columns, key=self.key, time=self.time, cadence=self.cadence)
        object.__setattr__(self, "table", table)
        _check_expectations(self.table, self.contract)

    def reaching_back(self, *, days: int = 0, ahead: int = 0) -> Reach:
        """This table as an input that is read from `days` before a window until `ahead` days after it."""
        return Reach(self, days=days, ahead=ahead)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureGroup:
    """A versioned table of features of one entity: `features.NAME_vVERSION`, keyed by event time (UTC).

    Attributes:
        event_time: column that says when the values became true and could be known; None makes the group static.
        window_time: column whose day decides the partition of a row; the event time unless it is given.
        ttl: how long a value may be used; older ones count as missing. None: for ever.
        online: whether the newest value of each entity is served online as well.
    """

    name: str
    version: int
    entity: Entity
    features: tuple[Feature, ...]
    contract: Contract
    description: str = ""
    event_time: str | None = None
    window_time: str | None = None
    cadence: Daily | None = None
    ttl: timedelta | None = None
    online: bool = False
    table: Table = field(init=False)

    def __post_init__(self) -> None:
        checked_name(self.name, "A feature group")
        if self.version < 1:
            raise DefinitionError(f"Feature group '{self.name}' has version {self.version}; the first is 1.")
        if self.ttl is not None and (self.event_time is None or self.ttl <= timedelta()):
            raise DefinitionError(f"Feature group '{self.name}' has a ttl, so it needs an event time and a ttl above zero.")
        if self.window_time is not None and self.event_time is None:
            raise DefinitionError(f"Feature group '{self.name}' has a window time but no event time.")
        time = self.window_time or self.event_time
        table = Table(
            schema="features", name=self.versioned_name, columns=self._columns(), key=self._key(), time=time, cadence=self.cadence
        )
        object.__setattr__(self, "table", table)
        _check_expectations(self.table, self.contract)

    def _columns(self) -> tuple[Column, ...]:
        times = []
        if self.event_time:
            times.append(Column(self.event_time, "timestamp", "When the values of the row are known."))
        if self.window_time and self.window_time not in {column.name for column in (*self.entity.keys, *self.features)}:
            times.append(Column(self.window_time, "timestamp", "Decides the partition of the row."))
        return (*self.entity.keys, *times, *self.features)

    def _key(self) -> tuple[str, ...]:
        return (*self.entity.key_names, *([self.event_time] if self.event_time else []))

    @property
    def versioned_name(self) -> str:
        return f"{self.name}_v{self.version}"

    @property
    def feature_names(self) -> tuple[str, ...]:
        return tuple(feature.name for feature in self.features)

    def __getitem__(self, names: str | tuple[str, ...]) -> FeatureSelection:
        """Chooses features by name: `ORIGIN_WEATHER["temp_f", "wind_mph"]`."""
        return FeatureSelection(self, (names,) if isinstance(names, str) else names)

    @property
    def all_features(self) -> FeatureSelection:
        return FeatureSelection(self, self.feature_names)

    def reaching_back(self, *, days: int = 0, ahead: int = 0) -> Reach:
        """This group as an input that is read from `days` before a window until `ahead` days after it."""
        return Reach(self, days=days, ahead=ahead)


@dataclass(frozen=True, slots=True)
class FeatureSelection:
    """Some features of one group, in the order asked for."""

    group: FeatureGroup
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.names:
            raise DefinitionError(f"No feature of '{self.group.versioned_name}' is asked for.", next_step="Name at least one.")
        for name in self.names:
            self.group.table.column(name)
        if len(set(self.names)) != len(self.names):
            raise DefinitionError(f"Features of '{self.group.versioned_name}' are asked for twice: {', '.join(self.names)}.")

    @property
    def columns(self) -> tuple[Column, ...]:
        return tuple(self.group.table.column(name) for name in self.names)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """A table read over more than the window that is being made: `days` further back and `ahead` days beyond."""

    source: StagedTable | FeatureGroup
    days: int
    ahead: int

    def __init__(self, source: StagedTable | FeatureGroup, *, days: int = 0, ahead: int = 0) -> None:
        if days < 0 or ahead < 0:
            raise DefinitionError(f"'{source.table}' is read {days} days back and {ahead} ahead; neither can be negative.")
        if (days or ahead) and source.table.time is None:
            raise DefinitionError(f"'{source.table}' has no time, so there is nothing to reach back to: it is read as a whole.")
        object.__setattr__(self, "source", source)
        object.__setattr__(self, "days", days)
        object.__setattr__(self, "ahead", ahead)


def _check_expectations(table: Table, contract: Contract) -> None:
    for expectation in contract.expectations:
        for name in expectation.columns:
            table.column(name)
