"""Aggregates over windows that end at a row's own time: "the mean delay of the 7 days before this flight"."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, get_args

from fti_assets.errors import DefinitionError
from fti_assets.vocabulary.names import checked_name
from fti_assets.vocabulary.table import Column, ColumnType, Table

Function = Literal["count", "sum", "mean", "min", "max", "std", "first", "last", "distinct_count", "percentile"]
_OF_NUMBERS = ("sum", "mean", "std", "percentile")


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """One figure about the rows of a window.

    Attributes:
        function: what is computed. Nulls are passed over, but by `first` and `last`, for which a null is a value.
        column: of what; None counts rows.
        last: length of the window, which ends at the spine row's time t: `t - last < event time <= t`.
        share: of `percentile`, in [0, 1].
    """

    name: str
    function: Function
    column: str | None
    last: timedelta
    share: float | None = None

    def __post_init__(self) -> None:
        checked_name(self.name, "An aggregate")
        if self.function not in get_args(Function):
            raise DefinitionError(
                f"Aggregate '{self.name}' computes {self.function!r}.", next_step=f"Use one of: {', '.join(get_args(Function))}."
            )
        if self.last <= timedelta():
            raise DefinitionError(f"Aggregate '{self.name}' looks back {self.last}; it must be more than nothing.")
        if self.column is None and self.function != "count":
            raise DefinitionError(f"Aggregate '{self.name}' computes {self.function} of no column.", next_step="Name the column.")
        if (self.share is None) != (self.function != "percentile") or not 0 <= (self.share or 0) <= 1:
            raise DefinitionError(f"Aggregate '{self.name}': a percentile, and nothing else, has a share in [0, 1].")

    def check(self, table: Table) -> None:
        """Sees that the column exists and can be computed with.

        Raises:
            NotFoundError: there is no such column.
            DefinitionError: it is not a number, and the function wants one.
        """
        if self.column is None:
            return
        kind = table.column(self.column).type
        if self.function in _OF_NUMBERS and kind not in ("float", "int"):
            raise DefinitionError(f"Aggregate '{self.name}' computes {self.function} of '{self.column}' of '{table}', a {kind}.")

    def result(self, table: Table) -> Column:
        """The column that it makes."""
        what = table.column(self.column) if self.column else None
        kinds: dict[str, ColumnType] = {
            "count": "int",
            "distinct_count": "int",
            "mean": "float",
            "std": "float",
            "percentile": "float",
        }
        kind = kinds.get(self.function) or (what.type if what else "int")
        unit = what.unit if what and self.function not in ("count", "distinct_count") else None
        return Column(self.name, kind, f"{self._words} in the last {self.last}.", unit)

    @property
    def _words(self) -> str:
        if self.column is None:
            return "Rows"
        share = f" {self.share:g}" if self.share is not None else ""
        return f"{self.function.replace('_', ' ').capitalize()}{share} of {self.column}"


def _aggregate(function: Function, column: str | None, last: timedelta, name: str | None, share: float | None = None) -> Aggregate:
    stem = function if column is None else f"{column}_{function}"
    digits = "" if share is None else f"{share * 100:g}".replace(".", "_")
    return Aggregate(name=name or f"{stem}{digits}_{_short(last)}", function=function, column=column, last=last, share=share)


def _short(span: timedelta) -> str:
    """A span of time as names carry it: `7d`, `90min`, `1500us`."""
    microseconds = span // timedelta(microseconds=1)
    for unit, size in (("d", 86_400_000_000), ("h", 3_600_000_000), ("min", 60_000_000), ("s", 1_000_000)):
        if microseconds % size == 0:
            return f"{microseconds // size}{unit}"
    return f"{microseconds}us"


class aggregate:  # noqa: N801 - reads as a noun: aggregate.mean("delay_minutes", last=timedelta(days=7))
    """Makes aggregates. Each takes `last=`, the length of the window, and `name=`; `delay_minutes_mean_7d` unless given."""

    @staticmethod
    def count(column: str | None = None, *, last: timedelta, name: str | None = None) -> Aggregate:
        """The number of rows, or of values of a column that are not null; 0 where there are none."""
        return _aggregate("count", column, last, name)

    @staticmethod
    def sum(column: str, *, last: timedelta, name: str | None = None) -> Aggregate:
        """The sum; null where there are no values."""
        return _aggregate("sum", column, last, name)

    @staticmethod
    def mean(column: str, *, last: timedelta, name: str | None = None) -> Aggregate:
        return _aggregate("mean", column, last, name)

    @staticmethod
    def min(column: str, *, last: timedelta, name: str | None = None) -> Aggregate:
        return _aggregate("min", column, last, name)

    @staticmethod
    def max(column: str, *, last: timedelta, name: str | None = None) -> Aggregate:
        return _aggregate("max", column, last, name)

    @staticmethod
    def std(column: str, *, last: timedelta, name: str | None = None) -> Aggregate:
        """The standard deviation of the sample (divided by n - 1); null where there are fewer than two values."""
        return _aggregate("std", column, last, name)

    @staticmethod
    def first(column: str, *, last: timedelta, name: str | None = None) -> Aggregate:
        """The value of the earliest row, which may be null."""
        return _aggregate("first", column, last, name)

    @staticmethod
    def last(column: str, *, last: timedelta, name: str | None = None) -> Aggregate:
        """The value of the latest row, which may be null."""
        return _aggregate("last", column, last, name)

    @staticmethod
    def distinct_count(column: str, *, last: timedelta, name: str | None = None) -> Aggregate:
        """The number of different values; 0 where there are none."""
        return _aggregate("distinct_count", column, last, name)

    @staticmethod
    def percentile(column: str, share: float, *, last: timedelta, name: str | None = None) -> Aggregate:
        """The value below which the share of the values lies, interpolated linearly between neighbours."""
        return _aggregate("percentile", column, last, name, share)
