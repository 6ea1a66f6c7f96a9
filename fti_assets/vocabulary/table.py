"""Tables of the lake: typed columns with units, a key, and the time column that says which window a row belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from fti_assets.errors import DefinitionError, not_found
from fti_assets.vocabulary.names import checked_name, quoted
from fti_assets.vocabulary.window import Daily

ColumnType = Literal["float", "int", "bool", "string", "timestamp", "date"]
"""`timestamp` is an instant (UTC), `date` a calendar day, `float` and `int` have 64 bits."""


@dataclass(frozen=True, slots=True)
class Column:
    """A typed column. `unit` is for people and for the contract (`°F`, `mph`, `minutes`)."""

    name: str
    type: ColumnType
    description: str = ""
    unit: str | None = None

    def __post_init__(self) -> None:
        checked_name(self.name, "A column")
        if self.type not in get_args(ColumnType):
            raise DefinitionError(
                f"Column '{self.name}' has the type {self.type!r}.", next_step=f"Use one of: {', '.join(get_args(ColumnType))}."
            )


class Feature(Column):
    """A column that a model may read."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Where and how rows are stored: `schema.name`, one row for each `key`.

    `time` is the column whose value decides the window, and so the partition, of a row; a table without one is replaced
    as a whole by each publication. With `keeps_superseded`, each row carries the time of its publication, and rows that a
    later publication replaced or withdrew are kept with both times.
    """

    schema: str
    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    time: str | None = None
    cadence: Daily | None = None
    keeps_superseded: bool = False

    def __post_init__(self) -> None:
        checked_name(self.schema, "A schema")
        checked_name(self.name, "A table")
        names = [column.name for column in self.columns]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise DefinitionError(f"Table '{self}' has these columns twice: {', '.join(twice)}.")
        for name in (*self.key, *([self.time] if self.time else [])):
            self.column(name)
        if (self.time is None) != (self.cadence is None):
            raise DefinitionError(f"Table '{self}' needs both a time column and a cadence, or neither.")
        if self.time is not None and self.column(self.time).type != "timestamp":
            kind = self.column(self.time).type
            raise DefinitionError(f"Table '{self}' is cut into windows by '{self.time}', a {kind}; it must be a timestamp.")

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    @property
    def sql(self) -> str:
        """The quoted name within the lake."""
        return f"lake.{quoted(self.schema)}.{quoted(self.name)}"

    @property
    def asset_key(self) -> tuple[str, str]:
        return (self.schema, self.name)

    def column(self, name: str) -> Column:
        """The column of that name.

        Raises:
            NotFoundError: there is none; the error names those that exist.
        """
        for column in self.columns:
            if column.name == name:
                return column
        raise not_found("Column", name, [column.name for column in self.columns], where=f"table '{self}'")
