"""The decorators that turn a function into a collection or a feature pipeline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fti_assets.errors import DefinitionError
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
    inputs = _by_name(reads)

    def decorate(function: Callable[..., Any]) -> TablePipeline:
        return TablePipeline(
            target=target,
            function=function,
            reads=inputs,
            sources={f"raw_{source.name}": source for source in sources},
            may_be_empty=may_be_empty,
        )

    return decorate


def feature_pipeline(target: FeatureGroup, *, reads: Sequence[Readable], may_be_empty: bool = False) -> Decorator:
    """Makes a feature group from staged tables and other groups.

    The function takes, by name, any of its inputs (a group under its name without the version), `sql` and `window`, see
    `collection_pipeline`. Event times are when a value could be *known*.
    """
    inputs = _by_name(reads)

    def decorate(function: Callable[..., Any]) -> TablePipeline:
        return TablePipeline(target=target, function=function, reads=inputs, sources={}, may_be_empty=may_be_empty)

    return decorate


def _by_name(reads: Sequence[Readable]) -> dict[str, Reach]:
    reaches = [as_reach(read) for read in reads]
    names = [reach.source.name for reach in reaches]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DefinitionError(
            f"A pipeline reads two tables under one name: {', '.join(twice)}.", next_step="Give one of them another name."
        )
    return dict(zip(names, reaches, strict=True))
