"""Two stored versions of a training dataset side by side: what their manifests say, and what their rows hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from duckdb import DuckDBPyConnection

from fti_assets.feature_store.datasets.manifest import Manifest, read_manifest
from fti_assets.feature_store.lake.connections import in_memory_connection
from fti_assets.feature_store.lake.lake import literal
from fti_assets.vocabulary import SPLITS

EXAMPLES = 3
_PAIRS = "differing"


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that two versions say differently; None where one of them does not say it."""

    name: str
    first: Any
    second: Any


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """A column whose values differ in rows that both versions have.

    Attributes:
        rows: number of such rows, by split; a row that moved counts in the split of the second version.
        examples: key, value in the first and value in the second version, of some rows in the order of the key.
    """

    name: str
    rows: Mapping[str, int]
    examples: tuple[tuple[Mapping[str, Any], Any, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetComparison:
    """How the second version of a dataset differs from the first.

    Attributes:
        facts: what their manifests say differently.
        definition: what their definitions say differently, by path (`view.features.2.group.ttl`).
        key: columns by which rows are compared; none where neither manifest says, and then no row was compared.
        only_first: rows that the second version lacks, by split.
        only_second: rows that the first version lacks, by split.
        moved: rows that are in another split, by the split of the second version.
        examples: keys of some rows of `only_first` and `only_second`.
        columns: columns with changed values.
        columns_only_first: columns that the second version lacks.
        columns_only_second: columns that the first version lacks.
        types: columns of another type, whose values were not compared.
    """

    facts: tuple[Fact, ...]
    definition: tuple[Fact, ...]
    key: tuple[str, ...]
    only_first: Mapping[str, int]
    only_second: Mapping[str, int]
    moved: Mapping[str, int]
    examples: Mapping[str, tuple[Mapping[str, Any], ...]]
    columns: tuple[ColumnChange, ...]
    columns_only_first: tuple[str, ...]
    columns_only_second: tuple[str, ...]
    types: tuple[Fact, ...]

    @property
    def same_rows(self) -> bool:
        """Whether every row was compared and none differs."""
        lacking = (self.only_first, self.only_second, self.columns_only_first, self.columns_only_second)
        return bool(self.key) and not any((*lacking, self.moved, self.columns, self.types))

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that hold a difference."""
        found = {*self.only_first, *self.only_second, *self.moved, *(split for column in self.columns for split in column.rows)}
        return tuple(split for split in SPLITS if split in found)


def compare(first: Path, second: Path) -> DatasetComparison:
    """Compares two stored datasets, row by row in the order-free sense: rows with one key belong together.

    Args:
        first: folder of the one, with its manifest.
        second: folder of the other.
    """
    one, other = read_manifest(first), read_manifest(second)
    key = _key(one, other)
    with in_memory_connection() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        left, right = (_view(connection, name, folder) for name, folder in (("one", first), ("other", second)))
        alike = [name for name, kind in left.items() if right.get(name) == kind and name not in key]
        rows = _compare_rows(connection, key, alike) if key else _NO_ROWS
    return DatasetComparison(
        facts=tuple(_facts(one, other)),
        definition=tuple(_differences(one.definition, other.definition)),
        key=key,
        columns_only_first=tuple(name for name in left if name not in right),
        columns_only_second=tuple(name for name in right if name not in left),
        types=tuple(Fact(name, kind, right[name]) for name, kind in left.items() if right.get(name, kind) != kind),
        **rows,
    )


_NO_ROWS: dict[str, Any] = {"only_first": {}, "only_second": {}, "moved": {}, "examples": {}, "columns": ()}


def _facts(one: Manifest, other: Manifest) -> Iterator[Fact]:
    first, second = _said(one), _said(other)
    for name in dict.fromkeys([*first, *second]):
        if first.get(name) != second.get(name):
            yield Fact(name, first.get(name), second.get(name))


def _said(manifest: Manifest) -> dict[str, Any]:
    """What a manifest says, in the order in which people ask for it."""
    return {
        "snapshot": manifest.snapshot,
        "cut-off": manifest.cutoff,
        "view": f"{manifest.view}_v{manifest.view_version}",
        "label": manifest.label,
        **{f"group {name}": f"v{version}" for name, version in manifest.groups.items()},
        **{f"{split}: from, until": " .. ".join(borders) for split, borders in manifest.splits.items()},
        **{f"{split}: rows": count for split, count in manifest.rows.items()},
        **{f"{split}: positive": share for split, share in manifest.positive_share.items()},
        "unlabelled rows": manifest.unlabelled_rows,
        "content hash": manifest.content_hash,
        "code": manifest.code_version,
    }


def _differences(one: Any, other: Any, path: str = "") -> Iterator[Fact]:
    """Where two pieces of JSON differ, as deep down as can be said."""
    if isinstance(one, dict) and isinstance(other, dict):
        for name in dict.fromkeys([*one, *other]):
            yield from _differences(one.get(name), other.get(name), f"{path}.{name}".removeprefix("."))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for n, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from _differences(left, right, f"{path}.{n}")
    elif one != other:
        yield Fact(path or "definition", one, other)


def _key(one: Manifest, other: Manifest) -> tuple[str, ...]:
    """The key of the rows, where both have the same; what one manifest does not say is taken from the other."""
    keys = {manifest.defined.view.spine.table.key for manifest in (one, other) if manifest.definition is not None}
    return keys.pop() if len(keys) == 1 else ()


def _view(connection: DuckDBPyConnection, name: str, folder: Path) -> dict[str, str]:
    """Makes the temporary view `name` of all splits of a dataset, and returns the types of its columns."""
    files = {split: literal(str(folder / f"{split}.parquet")) for split in SPLITS}
    parts = [f"SELECT {literal(split)} AS __split, * FROM read_parquet({file})" for split, file in files.items()]
    connection.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {' UNION ALL BY NAME '.join(parts)}")
    return {column: kind for column, kind, *_ in connection.execute(f"DESCRIBE {name}").fetchall() if column != "__split"}


def _compare_rows(connection: DuckDBPyConnection, key: Sequence[str], columns: Sequence[str]) -> dict[str, Any]:
    _pair(connection, key, columns)
    changed = [f"count(*) FILTER (in_first AND in_second AND {_differs(name)})" for name in columns]
    counts = connection.execute(
        f"""-- one row per split
        SELECT split, count(*) FILTER (NOT in_second), count(*) FILTER (NOT in_first),
            {", ".join(["count(*) FILTER (moved)", *changed])}
        FROM {_PAIRS} GROUP BY split"""
    ).fetchall()
    by_column = list(zip(*counts, strict=True)) or [()] * (4 + len(columns))
    splits = by_column[0]
    only_first, only_second, moved, *rows = (_counted(splits, found) for found in by_column[1:])
    return {
        "only_first": only_first,
        "only_second": only_second,
        "moved": moved,
        "examples": {
            name: _examples(connection, key, where)
            for name, where in (("only_first", "NOT in_second"), ("only_second", "NOT in_first"))
        },
        "columns": tuple(
            ColumnChange(name, found, _changes(connection, key, name)) for name, found in zip(columns, rows, strict=True) if found
        ),
    }


def _pair(connection: DuckDBPyConnection, key: Sequence[str], columns: Sequence[str]) -> None:
    """Makes the temporary table of the rows that differ in anything, with both sides' values."""
    same_key = " AND ".join(f"one.{_quoted(name)} IS NOT DISTINCT FROM other.{_quoted(name)}" for name in key)
    keys = [f"coalesce(one.{_quoted(name)}, other.{_quoted(name)}) AS {_quoted(name)}" for name in key]
    values = [f"one.{_quoted(name)} AS {_first(name)}, other.{_quoted(name)} AS {_second(name)}" for name in columns]
    differs = [f"one.{_quoted(name)} IS DISTINCT FROM other.{_quoted(name)}" for name in ("__split", *columns)]
    connection.execute(
        f"""CREATE OR REPLACE TEMP TABLE {_PAIRS} AS
        SELECT {", ".join([*keys, *values])}, coalesce(other.__split, one.__split) AS split,
            one.__split IS NOT NULL AS in_first, other.__split IS NOT NULL AS in_second, one.__split <> other.__split AS moved
        FROM one FULL JOIN other ON {same_key}
        WHERE {" OR ".join(differs)}"""
    )


def _counted(splits: Sequence[str], counts: Sequence[int]) -> dict[str, int]:
    found = dict(zip(splits, counts, strict=True))
    return {split: found[split] for split in SPLITS if found.get(split)}


def _examples(connection: DuckDBPyConnection, key: Sequence[str], where: str) -> tuple[dict[str, Any], ...]:
    names = ", ".join(map(_quoted, key))
    rows = connection.execute(f"SELECT {names} FROM {_PAIRS} WHERE {where} ORDER BY {names} LIMIT {EXAMPLES}").fetchall()
    return tuple(dict(zip(key, row, strict=True)) for row in rows)


def _changes(connection: DuckDBPyConnection, key: Sequence[str], name: str) -> tuple[tuple[dict[str, Any], Any, Any], ...]:
    names = ", ".join(map(_quoted, key))
    rows = connection.execute(
        f"""SELECT {names}, {_first(name)}, {_second(name)} FROM {_PAIRS}
        WHERE in_first AND in_second AND {_differs(name)} ORDER BY {names} LIMIT {EXAMPLES}"""
    ).fetchall()
    return tuple((dict(zip(key, row[:-2], strict=True)), row[-2], row[-1]) for row in rows)


def _differs(name: str) -> str:
    return f"{_first(name)} IS DISTINCT FROM {_second(name)}"


def _first(name: str) -> str:
    return _quoted(f"1 {name}")


def _second(name: str) -> str:
    return _quoted(f"2 {name}")


def _quoted(name: str) -> str:
    """A column of a stored file as an SQL identifier; the names that joins make up are longer than a definition's may be."""
    return '"' + name.replace('"', '""') + '"'
