"""The decorators that turn a function into a collection or a feature pipeline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fti_assets.pipelines.partitions import as_reach
from fti_assets.pipelines.tables import TablePipeline
from fti_assets.vocabulary import CsvFile, CsvSource, FeatureGroup, Reach, StagedTable

Source = CsvSource | CsvFile
Readable = StagedTable | FeatureGroup | Reach
Decorator = Callable[[Callable[..., Any]], TablePipeline]


def collection_pipeline(
    target: StagedTable, *, sources: Sequence[Source] = (), reads: Sequence[Readable] = (), may_be_empty: bool = False
) -> Decorator:
    """Makes a staged table from delivered files: typed, linked and deduplicated.

    The function takes, by name, any of its inputs (a source `flights` is seen as `raw_flights`, a table under its own name),
    `sql` (runs a SELECT over all inputs) and `window`. It returns a relation, or a pandas, polars or pyarrow table. Rows
    outside the window are left out; the rest is validated and published in one transaction.

    Args:
        target: the table that it makes.
        sources: delivered files.
        reads: other staged tables; `TABLE.reaching_back(days=1)` reads more than the window.
        may_be_empty: whether a window without rows is published as such.
    """

    def decorate(function: Callable[..., Any]) -> TablePipeline:
        return TablePipeline(
            target=target,
            function=function,
            reads=_by_name(reads),
            sources={f"raw_{source.name}": source for source in sources},
            may_be_empty=may_be_empty,
        )

    return decorate


def feature_pipeline(target: FeatureGroup, *, reads: Sequence[Readable], may_be_empty: bool = False) -> Decorator:
    """Makes a feature group from staged tables and other groups.

    The function takes, by name, any of its inputs (a group under its name without the version), `sql` and `window`, see
    `collection_pipeline`. Event times are when a value could be *known*.
    """

    def decorate(function: Callable[..., Any]) -> TablePipeline:
        return TablePipeline(target=target, function=function, reads=_by_name(reads), sources={}, may_be_empty=may_be_empty)

    return decorate


def _by_name(reads: Sequence[Readable]) -> dict[str, Reach]:
    return {reach.source.name: reach for reach in map(as_reach, reads)}
