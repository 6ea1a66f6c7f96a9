"""The tables that hold what is known about entities: staged tables, feature groups, and what is chosen from them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Self

from fti_assets.errors import DefinitionError, not_found
from fti_assets.vocabulary.aggregate import Aggregate
from fti_assets.vocabulary.contract import Contract
from fti_assets.vocabulary.entity import Entity
from fti_assets.vocabulary.names import checked_name
from fti_assets.vocabulary.table import Column, Feature, Table
from fti_assets.vocabulary.window import Daily


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


@dataclass(frozen=True, slots=True)
class Deprecation:
    """Why a feature group should not be read any more, and the one to read instead (`origin_weather_v2`)."""

    reason: str
    successor: str | None = None

    def __post_init__(self) -> None:
        if not self.reason.strip():
            raise DefinitionError("A deprecation has no reason.", next_step="Say in a sentence why readers should move.")
        if self.successor is not None:
            checked_name(self.successor, "A successor")

    def __str__(self) -> str:
        return f"{self.reason}{f' Read {self.successor} instead.' if self.successor else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureGroup:
    """A versioned table of features of one entity: `features.NAME_vVERSION`, keyed by event time (UTC).

    Attributes:
        event_time: column that says when the values became true and could be known; None makes the group static.
        window_time: column whose day decides the partition of a row; the event time unless it is given.
        ttl: how long a value may be used; older ones count as missing. None: for ever.
        online: whether the newest value of each entity is served online as well.
        tags: words by which it is found.
        deprecated: set when readers should move to another group.
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
    tags: tuple[str, ...] = ()
    deprecated: Deprecation | None = None
    table: Table = field(init=False)

    def __post_init__(self) -> None:
        checked_name(self.name, "A feature group")
        for tag in self.tags:
            checked_name(tag, "A tag")
        if self.version < 1:
            raise DefinitionError(f"Feature group '{self.name}' has version {self.version}; the first is 1.")
        if self.ttl is not None and (self.event_time is None or self.ttl <= timedelta()):
            raise DefinitionError(f"Feature group '{self.name}' has a ttl, so it needs an event time and a ttl above zero.")
        if self.window_time is not None and self.event_time is None:
            raise DefinitionError(f"Feature group '{self.name}' has a window time but no event time.")
        time = self.window_time or self.event_time
        table = Table(
            schema="features",
            name=self.versioned_name,
            columns=self._columns(),
            key=self._key(),
            time=time,
            cadence=self.cadence,
            keeps_superseded=True,
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

    def windowed(self, *aggregates: Aggregate, by: tuple[str, ...] | None = None) -> WindowedSelection:
        """Aggregates over the rows of this group that lie in windows before a spine row's own time.

        Args:
            aggregates: see `fti_assets.vocabulary.aggregate`.
            by: columns whose values the rows share with the spine row; the entity's keys unless given.
        """
        return WindowedSelection(self, aggregates, self.entity.key_names if by is None else by)

    def reaching_back(self, *, days: int = 0, ahead: int = 0) -> Reach:
        """This group as an input that is read from `days` before a window until `ahead` days after it."""
        return Reach(self, days=days, ahead=ahead)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Role:
    """In what role a group is joined.

    Attributes:
        sources: for a join key of the group, the column of the spine that holds it where it has another name, or a feature of
            another group in which it is found.
        prefix: put before the names of the joined features.
    """

    sources: tuple[tuple[str, str | FeatureSelection], ...] = ()
    prefix: str = ""

    def on(self, **sources: str | FeatureSelection) -> Self:
        """The same features, joined by other columns: `WEATHER["temp_f"].on(origin="destination")`.

        With a feature of another group, the key is found there first, as known at the spine row's time:
        `PLANES["seats"].on(tail_number=FLIGHTS["tail_number"])`.
        """
        return replace(self, sources=tuple(sources.items()))

    def prefixed(self, prefix: str) -> Self:
        """The same features under names that begin with `prefix`."""
        return replace(self, prefix=checked_name(prefix, "A prefix"))


@dataclass(frozen=True, slots=True)
class FeatureSelection(_Role):
    """Some features of one group, in the order asked for.

    Attributes:
        names: names of the features in the group.
    """

    group: FeatureGroup
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.names:
            raise DefinitionError(f"No feature of '{self.group.versioned_name}' is asked for.", next_step="Name at least one.")
        for name in self.names:
            self.group.table.column(name)
        if len(set(self.names)) != len(self.names):
            raise DefinitionError(f"Features of '{self.group.versioned_name}' are asked for twice: {', '.join(self.names)}.")
        _check_sources(self)

    @property
    def join_keys(self) -> tuple[str, ...]:
        """The group's columns by which it is joined."""
        return self.group.entity.key_names

    @property
    def columns(self) -> tuple[Column, ...]:
        """The joined columns, under the names they get."""
        chosen = [self.group.table.column(name) for name in self.names]
        return tuple(replace(column, name=f"{self.prefix}{column.name}") for column in chosen)

    @property
    def output_names(self) -> tuple[str, ...]:
        return tuple(f"{self.prefix}{name}" for name in self.names)


@dataclass(frozen=True, slots=True)
class WindowedSelection(_Role):
    """Aggregates of one group's rows in windows that end at the spine row's time."""

    group: FeatureGroup
    aggregates: tuple[Aggregate, ...]
    by: tuple[str, ...]

    def __post_init__(self) -> None:
        name = self.group.versioned_name
        if self.group.event_time is None:
            raise DefinitionError(f"Group '{name}' is static: it has no event time, so there are no windows to aggregate over.")
        if not self.aggregates or not self.by:
            raise DefinitionError(f"A windowed selection of '{name}' needs at least one aggregate and one column in by=.")
        for key in self.by:
            self.group.table.column(key)
        for aggregate in self.aggregates:
            aggregate.check(self.group.table)
        if len(set(self.output_names)) != len(self.output_names):
            raise DefinitionError(
                f"Aggregates of '{name}' have the same name: {', '.join(self.output_names)}.", next_step="Give one of them name=."
            )
        _check_sources(self)

    @property
    def join_keys(self) -> tuple[str, ...]:
        """The group's columns by which it is joined."""
        return self.by

    @property
    def columns(self) -> tuple[Column, ...]:
        """The joined columns, under the names they get."""
        made = [aggregate.result(self.group.table) for aggregate in self.aggregates]
        return tuple(replace(column, name=f"{self.prefix}{column.name}") for column in made)

    @property
    def output_names(self) -> tuple[str, ...]:
        return tuple(f"{self.prefix}{aggregate.name}" for aggregate in self.aggregates)


Selection = FeatureSelection | WindowedSelection


def _check_sources(selection: Selection) -> None:
    name = selection.group.versioned_name
    for key, source in selection.sources:
        if key not in selection.join_keys:
            raise not_found("Join key", key, selection.join_keys, where=f"'{name}'")
        if isinstance(source, str):
            checked_name(source, "A join column")
        elif len(source.names) != 1 or source.columns[0].type != selection.group.table.column(key).type:
            found = ", ".join(f"{column.name} ({column.type})" for column in source.columns)
            raise DefinitionError(
                f"Key '{key}' ({selection.group.table.column(key).type}) of '{name}' is to be found in"
                f" '{source.group.versioned_name}' as {found}.",
                next_step="Name one feature of the key's type.",
            )


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
