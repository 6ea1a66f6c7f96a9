"""Results of validation: what was expected of a partition, and what was seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from fti_assets.errors import FtiError
from fti_assets.vocabulary import Column, Expectation, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectationResult:
    """One expectation on one partition.

    Attributes:
        partition: key of the partition; empty for a table that is published as a whole.
        rows: rows that were judged: those that are not null, or all where nulls themselves are judged.
        unexpected: how many of them were not as expected.
        observed: what was seen, in words.
    """

    expectation: Expectation
    partition: str
    passed: bool
    rows: int
    unexpected: int
    observed: str

    @property
    def is_critical_failure(self) -> bool:
        return not self.passed and self.expectation.severity == "critical"


class ContractBrokenError(FtiError):
    """A critical expectation failed; nothing was published."""


VALIDATION_RESULTS = Table(
    schema="validation",
    name="results",
    key=(),
    columns=(
        Column("table_name", "string", "Table that was validated, with its version."),
        Column("version", "int", "Version of the feature group; null for staged tables."),
        Column("partition", "string", "Partition that was validated; empty for a table published as a whole."),
        Column("window_start", "timestamp", "Start of the published window."),
        Column("window_end", "timestamp", "End of the published window, exclusive."),
        Column("expectation", "string", "Name of the expectation, as of its asset check."),
        Column("says", "string", "What is expected, in words."),
        Column("severity", "string", "critical or warning."),
        Column("passed", "bool"),
        Column("observed", "string", "What was seen, in words."),
        Column("rows", "int", "Rows judged."),
        Column("unexpected", "int", "Rows that were not as expected."),
        Column("run", "string", "Dagster run that validated."),
        Column("validated_at", "timestamp"),
    ),
)
"""Every result of every validation, also of those that stopped a publication."""


_ARROW = {"string": pa.string(), "int": pa.int64(), "bool": pa.bool_(), "timestamp": pa.timestamp("us", tz="UTC")}
_SCHEMA = pa.schema([(column.name, _ARROW[column.type]) for column in VALIDATION_RESULTS.columns])


def as_rows(
    results: Sequence[ExpectationResult],
    *,
    table: Table,
    version: int | None,
    windows: Mapping[str, tuple[datetime, datetime]],
    run: str,
) -> pa.Table:
    """The results as rows of `VALIDATION_RESULTS`; `windows` gives the borders of each partition."""
    now = datetime.now(UTC)
    none = (None, None)
    rows = [
        {
            "table_name": str(table),
            "version": version,
            "partition": result.partition,
            "window_start": windows.get(result.partition, none)[0],
            "window_end": windows.get(result.partition, none)[1],
            "expectation": result.expectation.name,
            "says": result.expectation.sentence,
            "severity": result.expectation.severity,
            "passed": result.passed,
            "observed": result.observed,
            "rows": result.rows,
            "unexpected": result.unexpected,
            "run": run,
            "validated_at": now,
        }
        for result in results
    ]
    return pa.Table.from_pylist(rows, schema=_SCHEMA)


def broken(table: Table, results: Sequence[ExpectationResult]) -> ContractBrokenError | None:
    """The error to raise when critical expectations failed: it names them, the partitions and what was seen."""
    failed = [result for result in results if result.is_critical_failure]
    if not failed:
        return None
    shown = "; ".join(
        f"'{r.expectation.name}'{f' on {r.partition}' if r.partition else ''} ({r.expectation.sentence}): {r.observed}"
        for r in failed[:5]
    )
    more = f" and {len(failed) - 5:,} more" if len(failed) > 5 else ""
    return ContractBrokenError(
        f"{len(failed):,} critical expectation(s) of '{table}' failed, so nothing was published: {shown}{more}.",
        next_step="Mend the source or the pipeline, or change the contract with its readers; validation.results has every result.",
    )
