"""Which rows belong together, so that they are resampled together: what they share is then not taken for evidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from fti_assets.training.data import TrainingData
from fti_assets.training.evaluation.ranking import IntArray
from fti_assets.vocabulary import RandomSplit, SplitName, TrainingDataset

FEWEST = 10
"""With fewer groups, how much they differ cannot be told: rows are taken one by one."""


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """The group of each row.

    Attributes:
        codes: from 0 to `count` - 1, in the order of the rows.
        count: how many groups there are.
        unit: what a group is: `day`, `row`, or the names of columns.
    """

    codes: IntArray
    count: int
    unit: str

    @classmethod
    def rows(cls, count: int) -> Groups:
        """Each row by itself."""
        return cls(np.arange(count), count, "row")

    @classmethod
    def of(cls, table: pa.Table, columns: Sequence[str], unit: str) -> Groups:
        """Rows with equal values of `columns` together; each row by itself where these are fewer than `FEWEST` groups."""
        codes = np.zeros(table.num_rows, dtype=np.int64)
        for name in columns:
            own, known = encoded(table.column(name))
            codes = np.unique(codes * len(known) + own, return_inverse=True)[1]
        count = int(codes.max()) + 1 if len(codes) else 0
        return cls(codes, count, unit) if count >= FEWEST else cls.rows(table.num_rows)

    def among(self, rows: IntArray) -> Groups:
        """The groups of some of the rows; each row by itself where these are fewer than `FEWEST` groups."""
        known, codes = np.unique(self.codes[rows], return_inverse=True)
        return Groups(codes, len(known), self.unit) if len(known) >= FEWEST else Groups.rows(len(rows))


def encoded(values: pa.ChunkedArray) -> tuple[IntArray, list[Any]]:
    """For each row the position of its value among the distinct ones, and these; a missing value is one of them."""
    if pa.types.is_dictionary(values.type):
        values = values.cast(values.type.value_type)  # its own codes may hold a value twice, or differ from chunk to chunk
    coded = values.combine_chunks().dictionary_encode(null_encoding="encode")
    return np.asarray(coded.indices.to_numpy(zero_copy_only=False), dtype=np.int64), coded.dictionary.to_pylist()


def row_groups(data: TrainingData, split: SplitName, columns: Sequence[str] = ()) -> Groups:
    """The groups of a split: by `columns`, or by the day of each row's time in the calendar of the view's spine.

    Days are of the time that decides a row's partition. Where the split does not hold it, each row is by itself.
    """
    if columns:
        return Groups.of(data.split(split, columns), columns, " and ".join(columns))
    spine = data.view.spine
    time = spine.table.time or data.view.at
    if time not in data.columns(split):
        return Groups.rows(data.rows[split])
    zone = spine.cadence.timezone if spine.cadence else "UTC"
    values = data.split(split, [time]).column(time).cast(pa.timestamp("us", tz="UTC"))
    days = values.to_pandas().dt.tz_convert(zone).dt.tz_localize(None).to_numpy().astype("datetime64[D]")
    return Groups.of(pa.table({"day": pa.array(days)}), ["day"], "day")


def kept_together(dataset: TrainingDataset) -> tuple[str, ...]:
    """The columns whose rows a random split keeps together, such as a customer's; none where days belong together."""
    return dataset.split.by if isinstance(dataset.split, RandomSplit) else ()
