"""What a plain table of base rates reaches: the measure next to which a model's figures are read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from fti_assets.errors import FtiError, not_found
from fti_assets.transformations import FloatArray

_ROW, _LABEL, _RATE = "__row", "__label", "__rate"


class NotFittedError(FtiError):
    """A table of base rates was asked before it was fitted."""


@dataclass(slots=True)
class BaseRateTable:
    """The share of positive labels by the values of some columns, drawn towards the overall share where rows are few.

    The rate of a group is `(positives + smoothing * overall) / (rows + smoothing)`; a group that was never seen has the
    overall rate.

    Attributes:
        columns: the columns that form the groups.
        smoothing: how many rows of the overall rate are added to each group.
    """

    columns: tuple[str, ...]
    smoothing: float = 20.0
    overall: float = float("nan")
    rates: pa.Table | None = None

    def fit(self, table: pa.Table, label: npt.ArrayLike) -> BaseRateTable:
        """Counts the labels by group and returns itself."""
        truth = np.asarray(label, dtype=np.float64)
        self.overall = float(truth.mean())
        grouped = self._keys(table).append_column(_LABEL, pa.array(truth)).group_by(list(self.columns))
        counts = grouped.aggregate([(_LABEL, "sum"), (_LABEL, "count")])
        positives = pc.add(counts[f"{_LABEL}_sum"], self.smoothing * self.overall)
        rate = pc.divide(positives, pc.add(counts[f"{_LABEL}_count"], self.smoothing))
        self.rates = counts.select(list(self.columns)).append_column(_RATE, rate)
        return self

    def predict(self, table: pa.Table) -> FloatArray:
        """The rate of each row's group, in the order of the rows."""
        if self.rates is None:
            raise NotFittedError("This table of base rates has no rates yet.", next_step="Call fit with the training split.")
        keys = self._keys(table).append_column(_ROW, pa.array(np.arange(table.num_rows)))
        joined = keys.join(self.rates, keys=list(self.columns), join_type="left outer").sort_by(_ROW)
        return np.asarray(joined[_RATE].fill_null(self.overall).to_numpy(), dtype=np.float64)

    def _keys(self, table: pa.Table) -> pa.Table:
        for name in self.columns:
            if name not in table.column_names:
                raise not_found("Column", name, table.column_names, where="the table given to the base rates")
        # A join takes null for a value that equals nothing, so null becomes a text of its own.
        return pa.table([_as_text(table.column(name)) for name in self.columns], names=list(self.columns))


def _as_text(values: pa.ChunkedArray) -> pa.ChunkedArray:
    return values.cast(pa.string()).fill_null("\0")
