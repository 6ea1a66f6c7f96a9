"""Tiles: what is to be known of the numbers of many events at once, so that long windows are read without their events.

Sums are kept to twice the precision of a float, so that they are the same in whatever order the events came.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from fti_assets.online_store.window_values import Stored
from fti_assets.vocabulary import Column

_SPLIT = 134217729.0  # 2**27 + 1: Dekker's constant, which cuts a float into two halves whose products are exact
_LOW = (1 << 64) - 1
_FORMATS = {"float": "qdddddd", "int": "qQqddqq"}
_FIELDS = 7  # count, sum in two parts, sum of squares in two parts, least, greatest
_NOTHING: tuple[tuple[float, ...], ...] = ((),) * _FIELDS


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers of one column, nulls left out: some one by one, the others summed up in tiles.

    Attributes:
        values: those that are there one by one.
        tiles: of the others the fields of their tiles, field by field, of tiles that are not empty.
        is_whole: whether they are whole numbers, whose sums are exact.
    """

    values: Sequence[float]
    tiles: Sequence[Sequence[float]] = _NOTHING
    is_whole: bool = False

    @property
    def count(self) -> int:
        return len(self.values) + int(sum(self.tiles[0]))

    @property
    def total(self) -> float:
        """The sum; 0 of nothing."""
        return self._whole if self.is_whole else _sum(self._parts)

    @property
    def mean(self) -> float:
        return self.total / self.count

    @property
    def low(self) -> float:
        """The least of at least one; NaN is greater than every other number."""
        numbers = [*self.values, *self.tiles[5]]
        return min((number for number in numbers if number == number), default=math.nan)

    @property
    def high(self) -> float:
        numbers = [*self.values, *self.tiles[6]]
        return math.nan if any(number != number for number in numbers) else max(numbers)

    @property
    def deviation(self) -> float:
        """The standard deviation of the sample, of at least two; NaN where it cannot be computed with floats.

        With n the count, S the sum, m a float near the mean and r = S - n m, the sum of the squared distances from the mean is
        that of the squares less n m^2 + 2 m r + r^2 / n.
        """
        count, mean = self.count, self.mean
        if not math.isfinite(mean):
            return math.nan
        scaled, off = _product(mean, float(count))
        parts = _twice_of(self._whole) if self.is_whole else self._parts
        rest = _sum((*parts, -scaled, -off))
        less = (*_product(mean, scaled), *_product(mean, off), *(2 * part for part in _product(mean, rest)), rest * rest / count)
        squared = _sum((*self.squares, *(-part for part in less)))
        return math.sqrt(max(squared, 0.0) / (count - 1)) if math.isfinite(squared) else math.nan

    @property
    def _whole(self) -> int:
        return sum(map(int, self.values)) + sum(map(int, self.tiles[1])) + (sum(map(int, self.tiles[2])) << 64)

    @property
    def _parts(self) -> Sequence[float]:
        """Floats whose sum is the sum."""
        return [*self.values, *self.tiles[1], *self.tiles[2]]

    @property
    def squares(self) -> Sequence[float]:
        """Floats whose sum is the sum of squares."""
        square = _square_of_whole if self.is_whole else _square
        return [part for one in self.values for part in square(one)] + [*self.tiles[3], *self.tiles[4]]

    @property
    def fields(self) -> list[float]:
        """What a tile keeps of them."""
        if not self.count:
            return [0] * _FIELDS
        sums = (self._whole & _LOW, self._whole >> 64) if self.is_whole else _twice(self._parts)
        return [self.count, *sums, *_twice(self.squares), self.low, self.high]


def _sum(floats: Sequence[float]) -> float:
    """The sum, rounded once at the end."""
    try:
        return math.fsum(floats)
    except OverflowError:
        return sum(floats)
    except ValueError:  # infinity and minus infinity
        return math.nan


def _twice(parts: Sequence[float]) -> tuple[float, float]:
    """The sum of some floats as one float, and what that is off."""
    first = _sum(parts)
    return (first, _sum((*parts, -first))) if math.isfinite(first) else (first, 0.0)


def _twice_of(number: int) -> tuple[float, float]:
    """A whole number as one float, and what that is off."""
    return float(number), float(number - int(float(number)))


def _square_of_whole(number: float) -> tuple[float, float]:
    return _twice_of(int(number) * int(number))


def _square(number: float) -> tuple[float, float]:
    return _product(number, number)


def _product(one: float, other: float) -> tuple[float, float]:
    """The product of two floats as two floats whose sum it is exactly (Dekker 1971)."""
    high = one * other
    (a, b), (c, d) = _halves(one), _halves(other)
    low = ((a * c - high) + a * d + b * c) + b * d
    return (high, low) if math.isfinite(low) else (high, 0.0)


def _halves(number: float) -> tuple[float, float]:
    wide = _SPLIT * number
    high = wide - (wide - number)
    return high, number - high


Fields = Sequence[Sequence[float]]
"""Tiles field by field: the number of events of each, then the fields of each column."""


@dataclass(frozen=True, slots=True)
class TileCodec:
    """Reads and writes the tiles of some columns, each of which is of numbers."""

    columns: tuple[Column, ...]
    _struct: struct.Struct = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_struct", struct.Struct("<q" + "".join(_FORMATS[column.type] for column in self.columns)))

    def tile(self, rows: int, values: Sequence[Iterable[Stored]], before: bytes | None = None) -> bytes:
        """What is to be known of some events, and of those of a tile.

        Args:
            rows: number of the events.
            values: their values of each column, nulls among them.
            before: a tile.
        """
        fields = self.read([before] if before else [])
        numbers = [self.numbers(n, [one for one in some if one is not None], fields) for n, some in enumerate(values)]  # type: ignore[misc]
        return self._struct.pack(rows + sum(fields[0]), *(part for one in numbers for part in one.fields))

    def read(self, tiles: Sequence[bytes]) -> Fields:
        """Tiles field by field."""
        if not tiles:
            return ((),) * (1 + _FIELDS * len(self.columns))
        return list(zip(*self._struct.iter_unpack(b"".join(tiles)), strict=True))

    def numbers(self, place: int, values: Sequence[float], fields: Fields) -> Numbers:
        """The numbers of the column at a place: some of them, and those that tiles hold."""
        own = fields[1 + place * _FIELDS : 1 + (place + 1) * _FIELDS]
        return Numbers(values, _filled(own), is_whole=self.columns[place].type == "int")


def _filled(fields: Fields) -> Fields:
    """The fields of those tiles that hold numbers of the column at all."""
    if all(fields[0]):
        return fields
    return list(zip(*(one for one in zip(*fields, strict=True) if one[0]), strict=True)) or _NOTHING
