"""Pipelines that make a table of the lake: write a draft, audit it, publish it. Collection and feature pipelines are such."""

import hashlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
from duckdb import DuckDBPyConnection, DuckDBPyRelation

from fti_assets.collection import read_csv
from fti_assets.errors import DefinitionError, FtiError
from fti_assets.feature_store import FeatureStore, MissingFeaturesError, instant_literal
from fti_assets.pipelines.audit import Outcome, publish_audited
from fti_assets.pipelines.partitions import dependency, window_of
from fti_assets.pipelines.resources import LakeResource, LandingResource
from fti_assets.pipelines.specs import LAKE_WRITER, asset_key, check_specs, source_spec, table_spec, validation_spec
from fti_assets.vocabulary import CsvFile, CsvSource, FeatureGroup, Reach, StagedTable, Table, Window

Relation = DuckDBPyRelation
Sql = Callable[[str], DuckDBPyRelation]
"""Runs a SELECT over the pipeline's inputs by their names; `$window_start` and `$window_end` stand for its borders."""


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
        window, store = window_of(context), lake.store
        with store.connect() as connection:
            for name, reach in self.reads.items():
                _input(store, connection, reach, window).create_view(name, replace=True)
            for name, source in self.sources.items():
                _landed(connection, source, landing, window).create_view(name, replace=True)
            rows = self._call(connection, window)
            yield from publish_audited(context, store, connection, self.target, rows, window, may_be_empty=self.may_be_empty)

    def _call(self, connection: DuckDBPyConnection, window: Window | None) -> Any:
        available: dict[str, Any] = {"sql": _sql(connection, window), "window": window}
        available |= {name: connection.view(name) for name in (*self.reads, *self.sources)}
        return self.function(**{name: available[name] for name in inspect.signature(self.function).parameters})


def _input(store: FeatureStore, connection: DuckDBPyConnection, reach: Reach, window: Window | None) -> DuckDBPyRelation:
    table: Table = reach.source.table
    if not store.exists(connection, table):
        raise MissingFeaturesError(f"'{table}' was never published.", next_step=f"Materialise '{'/'.join(table.asset_key)}' first.")
    if window is None or table.cadence is None:
        return store.read(connection, table)
    first, *_, last = [*table.cadence.keys(window)] * 2
    days = table.cadence.shifted(first, -reach.days), table.cadence.shifted(last, reach.ahead)
    return store.read(connection, table, table.cadence.window(*days))


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
    borders = {"$window_start": window.start, "$window_end": window.end} if window else {}
    literals = {name: instant_literal(instant) for name, instant in borders.items()}

    def sql(query: str) -> DuckDBPyRelation:
        for name, literal in literals.items():
            query = query.replace(name, literal)
        try:
            return connection.sql(query)
        except duckdb.Error as error:
            raise DefinitionError(f"The pipeline's SQL failed: {error}") from error

    return sql
