"""Pipelines that make a table of the lake: write a draft, audit it, publish it. Collection and feature pipelines are such."""

import hashlib
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import duckdb
from duckdb import DuckDBPyConnection, DuckDBPyRelation

from fti_assets.collection import LandingZone, read_csv
from fti_assets.errors import DefinitionError
from fti_assets.feature_store import FeatureStore, instant_literal
from fti_assets.pipelines.audit import Outcome, publish_audited
from fti_assets.pipelines.failures import told_plainly
from fti_assets.pipelines.inputs import read_input
from fti_assets.pipelines.partitions import dependency, window_of
from fti_assets.pipelines.resources import LakeResource, LandingResource
from fti_assets.pipelines.specs import LAKE_WRITER, asset_key, check_specs, source_spec, table_spec, validation_spec
from fti_assets.vocabulary import CsvFile, CsvSource, FeatureGroup, Reach, StagedTable, Window

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
                f"Pipeline '{self.name}' asks for {', '.join(map(repr, unknown))}, which it does not read.",
                next_step=f"Add it to what the pipeline reads; as it is, it may take: {', '.join(sorted(known))}.",
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
        specs = [
            table_spec(
                self.target,
                deps=deps,
                code_version=self.code_version,
                skippable=True,
                automation_condition=dg.AutomationCondition.eager() if self._follows_its_sources else None,
            )
        ]
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
            with told_plainly():
                yield from self._run(context, lake, landing)

        return [make]

    @property
    def _follows_its_sources(self) -> bool:
        """Whether no schedule of days is about it: a table without time, made from tables without time."""
        tables = [self.target.table, *(reach.source.table for reach in self.reads.values())]
        return bool(self.reads) and not self.sources and all(table.cadence is None for table in tables)

    @property
    def code_version(self) -> str:
        """Changes with the function, with the SQL that it names, and with the schema of the table."""
        text = "\n".join([inspect.getsource(self.function), repr(self.target.table.columns), *_named_texts(self.function)])
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def _run(self, context: dg.AssetExecutionContext, lake: LakeResource, landing: LandingResource) -> Iterator[Outcome]:
        window, store = window_of(context), lake.store
        with store.connect() as connection:
            rows = self.rows(store, connection, window, landing.zone)
            yield from publish_audited(context, store, connection, self.target, rows, window, may_be_empty=self.may_be_empty)

    def rows(self, store: FeatureStore, connection: DuckDBPyConnection, window: Window | None, zone: LandingZone) -> Any:
        """What the function gives for `window`; nothing is checked or published.

        Raises:
            MissingFeaturesError: a table that it reads was not published.
            LandingError: a file that it reads is missing or not as it was delivered.
        """
        available: dict[str, Any] = {"sql": _sql(connection, window), "window": window}
        for name, reach in self.reads.items():
            available[name] = _named(connection, name, read_input(store, connection, reach, window))
        for name, source in self.sources.items():
            available[name] = _named(connection, name, _landed(connection, source, zone, window))
        return self.function(**{name: available[name] for name in inspect.signature(self.function).parameters})


def _named(connection: DuckDBPyConnection, name: str, rows: DuckDBPyRelation) -> DuckDBPyRelation:
    rows.create_view(name, replace=True)
    return connection.view(name)


def _named_texts(function: Callable[..., Any]) -> list[str]:
    """The module-level texts that a function names: `DELAYS_SQL` of its own module, `staging.FLIGHTS` of another one."""
    names, scope = function.__code__.co_names, function.__globals__
    modules = [vars(scope[name]) for name in names if isinstance(scope.get(name), ModuleType)]
    found = [place.get(name) for place in (scope, *modules) for name in names]
    return [value for value in found if isinstance(value, str)]


def _landed(
    connection: DuckDBPyConnection, source: CsvSource | CsvFile, zone: LandingZone, window: Window | None
) -> DuckDBPyRelation:
    if isinstance(source, CsvFile):
        return read_csv(connection, [Path(source.path)], source.columns)
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
