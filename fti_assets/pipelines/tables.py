"""Pipelines that make a table of the lake: write a draft, audit it, publish it. Collection and feature pipelines are such."""

import hashlib
import inspect
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
from duckdb import DuckDBPyConnection, DuckDBPyRelation

from fti_assets.collection import read_csv
from fti_assets.errors import DefinitionError, FtiError
from fti_assets.feature_store import DRAFT, MissingFeaturesError, PublishError
from fti_assets.pipelines.check_events import report_by_partition, summary
from fti_assets.pipelines.partitions import dependency, window_of
from fti_assets.pipelines.resources import LakeResource, LandingResource
from fti_assets.pipelines.specs import LAKE_WRITER, asset_key, check_specs, source_spec, table_spec, validation_key, validation_spec
from fti_assets.validation import VALIDATION_RESULTS, ExpectationResult, as_rows, broken, validate
from fti_assets.vocabulary import CsvFile, CsvSource, FeatureGroup, Reach, StagedTable, Table, Window, quoted

Relation = DuckDBPyRelation
Sql = Callable[[str], DuckDBPyRelation]
"""Runs a SELECT over the pipeline's inputs by their names; `$window_start` and `$window_end` are bound."""

Outcome = dg.AssetCheckResult | dg.MaterializeResult  # type: ignore[type-arg]


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePipeline:
    """One function that makes one table; called, it is that function.

    Attributes:
        function: takes any of its inputs by name, `sql` and `window`; returns a relation or a frame.
        reads: tables of the lake, by the name under which the function sees them.
        sources: delivered files, likewise.
        may_be_empty: whether a window without rows is published as such.
    """

    target: StagedTable | FeatureGroup
    function: Callable[..., Any]
    reads: Mapping[str, Reach]
    sources: Mapping[str, CsvSource | CsvFile]
    may_be_empty: bool

    def __post_init__(self) -> None:
        known = {*self.reads, *self.sources, "sql", "window"}
        unknown = [name for name in inspect.signature(self.function).parameters if name not in known]
        if unknown:
            raise DefinitionError(
                f"Pipeline '{self.name}' asks for {', '.join(map(repr, unknown))}, which it does not read. It may take: {', '.join(sorted(known))}."
            )

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        return self.function(*arguments, **named)

    @property
    def name(self) -> str:
        return self.target.table.name

    @property
    def upstream(self) -> list[dg.AssetSpec]:
        """The assets that it reads, as they are shown where another location makes them."""
        return [*(table_spec(reach.source) for reach in self.reads.values()), *map(source_spec, self.sources.values())]

    def assets(self) -> list[dg.AssetsDefinition]:
        cadence = self.target.table.cadence
        deps = [
            *(dependency(reach, cadence) for reach in self.reads.values()),
            *(dg.AssetDep(asset_key(source.asset_key)) for source in self.sources.values()),
        ]
        specs = [table_spec(self.target, deps=deps, code_version=self.code_version, skippable=True)]
        if self.target.contract.expectations:
            specs.append(validation_spec(self.target, deps=deps))

        @dg.multi_asset(
            name=f"{self.target.table.schema}__{self.name}",
            specs=specs,
            check_specs=check_specs(self.target),
            pool=LAKE_WRITER,
            backfill_policy=dg.BackfillPolicy.single_run() if cadence else None,
        )
        def make(context: dg.AssetExecutionContext, lake: LakeResource, landing: LandingResource) -> Iterator[Outcome]:
            try:
                yield from self._run(context, lake, landing)
            except FtiError as error:
                raise dg.Failure(description=str(error), allow_retries=False) from error

        return [make]

    @property
    def code_version(self) -> str:
        """Changes with the function, its module-level SQL included, and with the schema of the table."""
        module = inspect.getmodule(self.function)
        constants = [] if module is None else [v for n, v in sorted(vars(module).items()) if n.isupper() and isinstance(v, str)]
        text = "\n".join([inspect.getsource(self.function), repr(self.target.table.columns), *constants])
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def _run(self, context: dg.AssetExecutionContext, lake: LakeResource, landing: LandingResource) -> Iterator[Outcome]:
        started, window, store = time.monotonic(), window_of(context), lake.store
        with store.connect() as connection:
            for name, reach in self.reads.items():
                _input(store, connection, reach, window).create_view(name, replace=True)
            for name, source in self.sources.items():
                _landed(connection, source, landing, window).create_view(name, replace=True)
            rows = store.draft(connection, self.target.table, self._call(connection, window), window)
            if rows == 0 and not self.may_be_empty:
                raise PublishError(
                    f"The pipeline of '{self.target.table}' gave no rows for {window or 'its inputs'}.",
                    next_step="Materialise what it reads, or state may_be_empty=True if emptiness is meant.",
                )
            results = self._audit(connection, window)
            yield from self._report(context, results)
            self._record(lake, results, window, context.run.run_id)
            if results:
                yield dg.MaterializeResult(asset_key=validation_key(self.target.table), metadata=_verdict(results))
            error = broken(self.target.table, results)
            if error is not None:
                raise error
            published = store.publish_draft(connection, self.target, window, run=context.run.run_id)
        yield dg.MaterializeResult(
            asset_key=asset_key(self.target.table.asset_key),
            metadata={
                **_row_count(window, rows, context),
                "replaced_rows": published.replaced,
                "snapshot": published.snapshot,
                "seconds": round(time.monotonic() - started, 3),
            },
        )

    def _call(self, connection: DuckDBPyConnection, window: Window | None) -> Any:
        available: dict[str, Any] = {"sql": _sql(connection, window), "window": window}
        available |= {name: connection.view(name) for name in (*self.reads, *self.sources)}
        return self.function(**{name: available[name] for name in inspect.signature(self.function).parameters})

    def _audit(self, connection: DuckDBPyConnection, window: Window | None) -> list[ExpectationResult]:
        table, expectations = self.target.table, self.target.contract.expectations
        if not expectations:
            return []
        columns = [quoted(name) for name in dict.fromkeys(name for e in expectations for name in e.columns)]
        frame = connection.sql(f"SELECT {', '.join([*columns, f'{_partition_of(table)} AS __partition'])} FROM {DRAFT}").to_arrow_table().to_pandas()
        return validate(frame, frame["__partition"], expectations, _partitions(table, window))

    def _report(self, context: dg.AssetExecutionContext, results: list[ExpectationResult]) -> Iterator[dg.AssetCheckResult]:
        key = asset_key(self.target.table.asset_key)
        if len({result.partition for result in results}) > 1:
            report_by_partition(context, key, results)
        for _, of_one in groupby(results, key=lambda result: result.expectation.name):
            yield summary(key, list(of_one))

    def _record(self, lake: LakeResource, results: list[ExpectationResult], window: Window | None, run: str) -> None:
        if not results:
            return
        cadence = self.target.table.cadence
        windows = {key: cadence.window(key) for key in cadence.keys(window)} if cadence and window else {}
        rows = as_rows(
            results,
            table=self.target.table,
            version=getattr(self.target, "version", None),
            windows={key: (day.start, day.end) for key, day in windows.items()},
            run=run,
        )
        lake.store.append(VALIDATION_RESULTS, rows, description="Every result of every validation.", run=run)


def _input(store: Any, connection: DuckDBPyConnection, reach: Reach, window: Window | None) -> DuckDBPyRelation:
    table: Table = reach.source.table
    if not store.exists(connection, table):
        raise MissingFeaturesError(f"'{table}' was never published.", next_step=f"Materialise '{'/'.join(table.asset_key)}' first.")
    if window is None or table.cadence is None:
        return store.read(connection, table)  # type: ignore[no-any-return]
    first, *_, last = [*table.cadence.keys(window)] * 2
    days = table.cadence.shifted(first, -reach.days), table.cadence.shifted(last, reach.ahead)
    return store.read(connection, table, table.cadence.window(*days))  # type: ignore[no-any-return]


def _landed(
    connection: DuckDBPyConnection, source: CsvSource | CsvFile, landing: LandingResource, window: Window | None
) -> DuckDBPyRelation:
    if isinstance(source, CsvFile):
        return read_csv(connection, [Path(source.path)], source.columns)
    zone = landing.zone
    if source.cadence is None or window is None:
        rows = zone.check_reference(source.name)
        return read_csv(connection, [zone.reference_file(source.name)], source.columns, expected_rows=rows)
    days = source.cadence.keys(window)
    rows = zone.check(source.name, days)
    return read_csv(connection, [zone.file(source.name, day) for day in days], source.columns, expected_rows=rows)


def _sql(connection: DuckDBPyConnection, window: Window | None) -> Sql:
    borders = {"window_start": window.start, "window_end": window.end} if window else {}

    def sql(query: str) -> DuckDBPyRelation:
        try:
            return connection.sql(query, params={name: value for name, value in borders.items() if f"${name}" in query})
        except duckdb.Error as error:
            raise DefinitionError(f"The pipeline's SQL failed: {error}") from error

    return sql


def _partition_of(table: Table) -> str:
    if table.time is None or table.cadence is None:
        return "''"
    zone = table.cadence.timezone.replace("'", "''")
    return f"strftime(timezone('{zone}', {quoted(table.time)}), '%Y-%m-%d')"


def _partitions(table: Table, window: Window | None) -> list[str]:
    return table.cadence.keys(window) if table.cadence and window else [""]


def _row_count(window: Window | None, rows: int, context: dg.AssetExecutionContext) -> dict[str, int]:
    if window is None:
        return {"dagster/row_count": rows}
    return {"dagster/partition_row_count": rows} if context.has_partition_key else {"rows_of_the_range": rows}


def _verdict(results: Sequence[ExpectationResult]) -> dict[str, int]:
    return {
        "expectations": len(results),
        "failed_critical": sum(result.is_critical_failure for result in results),
        "failed_warning": sum(not result.passed and not result.is_critical_failure for result in results),
    }
