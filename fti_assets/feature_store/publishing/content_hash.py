"""A hash of a table's content: names, types and values in their order, whatever the file format."""

from __future__ import annotations

import hashlib

import pyarrow as pa
from duckdb import DuckDBPyConnection
from pyarrow import compute as pc

from fti_assets.feature_store.publishing.reading import read
from fti_assets.feature_store.publishing.schema import storage_order
from fti_assets.vocabulary import Table, Window, quoted


def content_hash(connection: DuckDBPyConnection, table: Table, window: Window | None = None) -> str:
    """SHA-256, in hexadecimal, of the promised columns of a table within `window`, or of all of it.

    Neither the order in which windows were published nor how often makes a difference, nor do files and publication times.
    """
    names = dict.fromkeys([*storage_order(table), *(column.name for column in table.columns)])
    rows = read(connection, table, window).order(", ".join(map(quoted, names)))
    return content_digest(rows.to_arrow_table()).hex()


def content_digest(table: pa.Table) -> bytes:
    """SHA-256 of the content of `table`; chunks and what lies under a null make no difference."""
    digest = hashlib.sha256()
    for name, column in zip(table.column_names, table.columns, strict=True):
        values, words = _coded(column.combine_chunks())
        digest.update(repr((name, str(column.type), len(values), words)).encode())
        digest.update(_bytes(pc.is_valid(values)))
        digest.update(_bytes(pc.fill_null(values, _zero(values.type))))
    return digest.digest()


def _coded(values: pa.Array) -> tuple[pa.Array, list[str]]:
    """Texts as numbers of the words in sorted order, and these words; other values as they are, and no words."""
    if not pa.types.is_string(values.type) and not pa.types.is_large_string(values.type):
        return values, []
    words = sorted(pc.unique(values.drop_null()).to_pylist())
    return pc.index_in(values, value_set=pa.array(words, values.type)), words


def _zero(kind: pa.DataType) -> pa.Scalar:
    return pa.scalar(0, pa.int32() if pa.types.is_date32(kind) else pa.int64()).cast(kind)


def _bytes(values: pa.Array) -> bytes:
    return bytes(values.to_numpy(zero_copy_only=False).tobytes())
