"""Tiles: what is to be known of the numbers of many events at once, so that long windows are read without their events.

Sums are kept to twice the precision of a float, so that they are the same in whatever order the events came.
"""

from __future__ import annotations

import math
import struct
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from fti_assets.online_store.window_values import Stored
from fti_assets.vocabulary import Column

_SPLIT = 134217729.0  # 2**27 + 1: Dekker's constant, which cuts a float into two halves whose products are exact
_LOW = (1 << 64) - 1
Fields = Sequence[Sequence[float]]
"""Tiles field by field."""


@dataclass(frozen=True, slots=True)
class Numbers(ABC):
    """The numbers of one column, nulls left out: some one by one, the others summed up in tiles.

    Attributes:
        values: those that are there one by one.
        tiles: of the others the fields of their tiles that are not empty: first how many, in the end the least and the greatest.
    """

    values: Sequence[float]
    tiles: Fields

    @property
    def count(self) -> int:
        return len(self.values) + int(sum(self.tiles[0]))

    @property
    def mean(self) -> float:
        return self.total / self.count

    @property
    def low(self) -> float:
        """The least of at least one; NaN is greater than every other number."""
        numbers = [*self.values, *self.tiles[-2]]
        return min((number for number in numbers if number == number), default=math.nan)

    @property
    def high(self) -> float:
        numbers = [*self.values, *self.tiles[-1]]
        return math.nan if any(number != number for number in numbers) else max(numbers)

    @property
    def fields(self) -> list[float]:
        """What a tile keeps of them."""
        return [self.count, *self._sums, self.low, self.high] if self.count else [0] * len(self.tiles)

    @property
    @abstractmethod
    def total(self) -> float:
        """The sum; 0 of nothing."""

    @property
    @abstractmethod
    def deviation(self) -> float:
        """The standard deviation of the sample, of at least two."""

    @property
    @abstractmethod
    def _sums(self) -> Sequence[float]:
        """What a tile keeps of the sums of the numbers and of their squares."""


class Wholes(Numbers):
    """Whole numbers, whose sums are exact: that of the numbers in two words, that of their squares in three."""

    __slots__ = ()

    @property
    def total(self) -> int:
        return sum(map(int, self.values)) + _of_words(self.tiles[1:3])

    @property
    def deviation(self) -> float:
        count, total, squares = self.count, self.total, self._squares
        return math.sqrt((count * squares - total * total) / (count * (count - 1)))

    @property
    def _squares(self) -> int:
        return sum(int(value) * int(value) for value in self.values) + _of_words(self.tiles[3:6])

    @property
    def _sums(self) -> Sequence[float]:
        total, squares = self.total, self._squares
        return total & _LOW, total >> 64, squares & _LOW, squares >> 64 & _LOW, squares >> 128


def _of_words(words: Fields) -> int:
    return sum(sum(map(int, word)) << 64 * n for n, word in enumerate(words))


class Floats(Numbers):
    """Floats; the sum of them and of their squares is kept as a float and what that is off."""

    __slots__ = ()

    @property
    def total(self) -> float:
        return _sum(self._parts)

    @property
    def deviation(self) -> float:
        """NaN where it cannot be computed with floats.

        With n the count, S the sum, m a float near the mean and r = S - n m, the sum of the squared distances from the mean is
        that of the squares less n m^2 + 2 m r + r^2 / n.
        """
        count, mean = self.count, self.mean
        if not math.isfinite(mean):
            return math.nan
        scaled, off = _product(mean, float(count))
        rest = _sum((*self._parts, -scaled, -off))
        less = (*_product(mean, scaled), *_product(mean, off), *(2 * part for part in _product(mean, rest)), rest * rest / count)
        squared = _sum((*self._squares, *(-part for part in less)))
        return math.sqrt(max(squared, 0.0) / (count - 1)) if math.isfinite(squared) else math.nan

    @property
    def _parts(self) -> Sequence[float]:
        """Floats whose sum is the sum."""
        return [*self.values, *self.tiles[1], *self.tiles[2]]

    @property
    def _squares(self) -> Sequence[float]:
        """Floats whose sum is the sum of squares."""
        return [part for one in self.values for part in _product(one, one)] + [*self.tiles[3], *self.tiles[4]]

    @property
    def _sums(self) -> Sequence[float]:
        return *_twice(self._parts), *_twice(self._squares)


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


_KINDS: dict[str, tuple[type[Numbers], str]] = {"float": (Floats, "qdddddd"), "int": (Wholes, "qQqQQqqq")}
"""How the numbers of a column are summed up, and of which fields that is in a tile."""


@dataclass(frozen=True, slots=True)
class TileCodec:
    """Reads and writes tiles: the number of events, then of each of some columns of numbers what is to be known of these."""

    columns: tuple[Column, ...]
    _struct: struct.Struct = field(init=False, repr=False)
    _places: tuple[slice, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        formats = [_KINDS[column.type][1] for column in self.columns]
        ends = list(accumulate(map(len, formats), initial=1))
        object.__setattr__(self, "_struct", struct.Struct("<q" + "".join(formats)))
        object.__setattr__(self, "_places", tuple(map(slice, ends, ends[1:])))

    def tile(self, rows: int, values: Sequence[Iterable[Stored]], before: Sequence[bytes] = ()) -> bytes:
        """What is to be known of some events, and of those of tiles.

        Args:
            rows: number of the events.
            values: their values of each column, nulls among them.
            before: tiles.
        """
        fields = self.read(before)
        numbers = [self.numbers(n, [one for one in some if one is not None], fields) for n, some in enumerate(values)]  # type: ignore[misc]
        return self._struct.pack(rows + sum(fields[0]), *(part for one in numbers for part in one.fields))

    def together(self, tiles: Sequence[bytes]) -> bytes:
        """What is to be known of the events of several tiles."""
        return self.tile(0, [()] * len(self.columns), tiles)

    @staticmethod
    def rows(tile: bytes) -> int:
        """How many events a tile has."""
        return int.from_bytes(tile[:8], "little")

    def read(self, tiles: Sequence[bytes]) -> Fields:
        """Tiles field by field: the number of events, then the fields of each column."""
        if not tiles:
            return ((),) * (self._places[-1].stop if self._places else 1)
        return list(zip(*self._struct.iter_unpack(b"".join(tiles)), strict=True))

    def numbers(self, place: int, values: Sequence[float], fields: Fields) -> Numbers:
        """The numbers of the column at a place: some of them, and those that tiles hold."""
        return _KINDS[self.columns[place].type][0](values, _filled(fields[self._places[place]]))


def numbers_of(kind: str, values: Sequence[float]) -> Numbers:
    """Some numbers of a kind, none of them in tiles."""
    made, fields = _KINDS[kind]
    return made(values, ((),) * len(fields))


def _filled(fields: Fields) -> Fields:
    """The fields of those tiles that hold numbers of the column at all."""
    if all(fields[0]):
        return fields
    return list(zip(*(one for one in zip(*fields, strict=True) if one[0]), strict=True)) or ((),) * len(fields)
