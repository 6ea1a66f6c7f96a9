"""Contracts checked with Great Expectations: one pass over a frame gives the result of every partition."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from fti_assets.errors import DefinitionError
from fti_assets.validation.results import ExpectationResult
from fti_assets.vocabulary import Expectation

_ROW_COUNT = "row_count"
_EXAMPLES = 3
_KEEPS_NULLS = frozenset({"expect_column_values_to_not_be_null", "expect_column_values_to_be_null"})


def validate(
    rows: pd.DataFrame, partition: pd.Series, expectations: Sequence[Expectation], partitions: Sequence[str]
) -> list[ExpectationResult]:
    """Judges every expectation on every partition, in one pass over all rows.

    A share (`mostly`) and uniqueness are judged within each partition, so that a day gets the same result alone and within a
    range. An expectation on the window as a whole, such as the row count, is judged on a profile with one row for each
    partition.

    Args:
        rows: at least the columns that the expectations speak of.
        partition: the partition key of each row, aligned with `rows`; one of `partitions`.
        expectations: see `fti_assets.expect`.
        partitions: the keys to report, also of partitions without rows.

    Returns:
        One result for each expectation and partition, in that order.

    Raises:
        DefinitionError: an expectation does not exist, does not judge rows one by one, or cannot be evaluated on these columns.
    """
    if not expectations:
        return []
    rows = rows.reset_index(drop=True)
    codes = pd.Categorical(partition.reset_index(drop=True), categories=list(partitions))
    counts = pd.Series(codes).value_counts(sort=False).reindex(list(partitions), fill_value=0)
    by_row = [expectation for expectation in expectations if expectation.columns]
    by_window = [expectation for expectation in expectations if not expectation.columns]
    results = _judge_rows(rows, codes, counts, by_row) if by_row else []
    return results + (_judge_windows(counts, by_window) if by_window else [])


def _judge_rows(
    rows: pd.DataFrame, codes: pd.Categorical, counts: pd.Series[int], expectations: Sequence[Expectation]
) -> list[ExpectationResult]:
    found = _unexpected_positions(rows, [(e.kind, _arguments(e)) for e in expectations])
    results = []
    for expectation, everywhere in zip(expectations, found, strict=True):
        positions = _within_partition(rows, codes, everywhere, expectation)
        judged = counts if expectation.kind in _KEEPS_NULLS else _not_null_counts(rows, codes, counts, expectation)
        unexpected = pd.Series(codes[positions]).value_counts(sort=False).reindex(counts.index, fill_value=0)
        examples = _examples(rows, codes, positions, expectation)
        for key, n, bad in zip(counts.index, judged, unexpected, strict=True):
            passed = bad == 0 or (n > 0 and bad / n <= 1 - expectation.mostly + 1e-12)
            seen = f"{bad:,} of {n:,} rows unexpected" + (f", such as {examples[key]}" if key in examples else "")
            results.append(
                ExpectationResult(
                    expectation=expectation,
                    partition=str(key),
                    passed=bool(passed),
                    rows=int(n),
                    unexpected=int(bad),
                    observed=seen,
                )
            )
    return results


def _judge_windows(counts: pd.Series[int], expectations: Sequence[Expectation]) -> list[ExpectationResult]:
    for expectation in expectations:
        if expectation.kind != "expect_table_row_count_to_be_between":
            raise DefinitionError(f"Expectation '{expectation.name}' ({expectation.kind}) cannot be judged by partition.")
    profile = pd.DataFrame({_ROW_COUNT: counts.to_numpy()})
    asked = [("expect_column_values_to_be_between", {"column": _ROW_COUNT, **dict(e.arguments)}) for e in expectations]
    results = []
    for expectation, positions in zip(expectations, _unexpected_positions(profile, asked), strict=True):
        failed = set(positions)
        results += [
            ExpectationResult(
                expectation=expectation,
                partition=str(key),
                passed=n not in failed,
                rows=int(count),
                unexpected=int(n in failed),
                observed=f"{count:,} rows",
            )
            for n, (key, count) in enumerate(counts.items())
        ]
    return results


def _unexpected_positions(rows: pd.DataFrame, asked: Sequence[tuple[str, Mapping[str, Any]]]) -> list[list[int]]:
    """The positions of the rows that break each expectation, by Great Expectations; equal questions are asked once."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "False")
    import great_expectations as gx
    from great_expectations.data_context.types.base import DataContextConfig, InMemoryStoreBackendDefaults
    from great_expectations.exceptions import ExpectationNotFoundError
    from great_expectations.expectations.registry import get_expectation_impl

    # Without documentation sites, which would each leave a folder among the temporary files.
    config = DataContextConfig(store_backend_defaults=InMemoryStoreBackendDefaults(init_temp_docs_sites=False))
    context = gx.get_context(mode="ephemeral", project_config=config)
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    definition = context.data_sources.add_pandas("rows").add_dataframe_asset("rows").add_batch_definition_whole_dataframe("all")
    suite = gx.ExpectationSuite(name="contract")
    try:
        for n, (kind, arguments) in enumerate(asked):
            if (kind, arguments) not in asked[:n]:
                suite.add_expectation(_by_row(get_expectation_impl(kind), kind)(**arguments, meta={"position": n}))
    except ExpectationNotFoundError as error:
        raise DefinitionError(f"Great Expectations knows no '{kind}'.", next_step="Look the name up in its gallery.") from error
    except ValueError as error:  # of pydantic
        raise DefinitionError(f"Great Expectations refuses the arguments of '{kind}': {error}") from error
    outcome = definition.get_batch(batch_parameters={"dataframe": rows}).validate(
        suite, result_format={"result_format": "COMPLETE", "return_unexpected_index_query": False}
    )
    found: dict[int, list[int]] = {}
    for result in outcome.results:
        if result.exception_info.get("raised_exception", True):
            raise DefinitionError(f"'{result.expectation_config.type}' could not be evaluated: {_reason(result.exception_info)}")
        found[result.expectation_config.meta["position"]] = list(result.result.get("unexpected_index_list") or [])
    return [found[asked.index(question)] for question in asked]


def _by_row(implementation: type, kind: str) -> type:
    """Refuses expectations that judge a column as a whole: they name no rows, so they would seem to hold everywhere."""
    from great_expectations.expectations.expectation import (
        ColumnMapExpectation,
        ColumnPairMapExpectation,
        MulticolumnMapExpectation,
    )

    if not issubclass(implementation, ColumnMapExpectation | ColumnPairMapExpectation | MulticolumnMapExpectation):
        raise DefinitionError(
            f"'{kind}' judges a column as a whole, not row by row, so it cannot be told which partition breaks it.",
            next_step="Use an expectation on values, or on the row count.",
        )
    return implementation


def _within_partition(rows: pd.DataFrame, codes: pd.Categorical, positions: list[int], expectation: Expectation) -> list[int]:
    """Of rows that are not unique those that are not unique within their partition; other positions as they are."""
    if not positions or not expectation.kind.endswith("_to_be_unique"):
        return positions
    repeated = rows.loc[positions, list(expectation.columns)].assign(__partition=codes[positions]).duplicated(keep=False)
    return [position for position, again in zip(positions, repeated, strict=True) if again]


def _reason(info: Mapping[str, Any]) -> str:
    messages = [str(part.get("exception_message")) for part in info.values() if isinstance(part, Mapping)]
    return "; ".join(messages) or str(info.get("exception_message"))


def _arguments(expectation: Expectation) -> dict[str, Any]:
    given = {key: list(value) if isinstance(value, tuple) else value for key, value in expectation.arguments}
    if expectation.kind.startswith("expect_column_pair_"):
        return {**dict(zip(("column_A", "column_B"), expectation.columns, strict=True)), **given}
    if len(expectation.columns) == 1:
        return {"column": expectation.columns[0], **given}
    return {"column_list": list(expectation.columns), **given}


def _not_null_counts(rows: pd.DataFrame, codes: pd.Categorical, counts: pd.Series[int], expectation: Expectation) -> pd.Series[int]:
    """The rows of each partition that are judged: Great Expectations passes over those whose columns are all null."""
    complete = rows[list(expectation.columns)].notna().any(axis=1).to_numpy()
    if complete.all():
        return counts
    return pd.Series(codes[complete]).value_counts(sort=False).reindex(counts.index, fill_value=0)


def _examples(rows: pd.DataFrame, codes: pd.Categorical, positions: list[int], expectation: Expectation) -> dict[str, str]:
    """Up to three unexpected values of each partition, as text."""
    if not positions or expectation.kind in _KEEPS_NULLS:
        return {}
    bad = rows.loc[positions, list(expectation.columns)].assign(__partition=codes[positions])
    some = bad.groupby("__partition", observed=True).head(_EXAMPLES)
    return {
        str(key): ", ".join(
            str(values[0] if len(values) == 1 else values)
            for values in part[list(expectation.columns)].itertuples(index=False, name=None)
        )
        for key, part in some.groupby("__partition", observed=True)
    }
