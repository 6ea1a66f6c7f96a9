"""The files of the lake as bytes, in a folder or in a bucket, by their paths below the lake's data path."""

from __future__ import annotations

from io import BufferedIOBase, BytesIO
from pathlib import Path

import duckdb
from duckdb import DuckDBPyConnection

from fti_assets.feature_store.lake.lake import Lake

_GONE = 404


def local_folder(lake: Lake) -> Path | None:
    """The folder in which the files are; None when they are in a bucket."""
    return Path(lake.data_path) if lake.data.kind == "folder" else None


def listed(lake: Lake, connection: DuckDBPyConnection) -> dict[str, int]:
    """The size of every Parquet file that lies there, whether the catalogue knows it or not."""
    folder = local_folder(lake)
    if folder is not None:
        return {path.relative_to(folder).as_posix(): path.stat().st_size for path in folder.rglob("*.parquet")}
    pattern = {"pattern": f"{lake.data_path}/**/*.parquet"}
    if connection.execute("SELECT 1 FROM glob($pattern) LIMIT 1", pattern).fetchone() is None:
        return {}
    rows = connection.execute("SELECT filename, size FROM read_blob($pattern)", pattern).fetchall()
    return {below(lake, name): size for name, size in rows}


def opened(lake: Lake, connection: DuckDBPyConnection, path: str) -> BufferedIOBase:
    """A file of the lake, to be read; one in a bucket is fetched as a whole.

    Raises:
        FileNotFoundError: there is none.
    """
    folder = local_folder(lake)
    if folder is not None:
        return (folder / path).open("rb")
    address = f"{lake.data_path}/{path}"
    try:
        row = connection.execute("SELECT content FROM read_blob($file)", {"file": address}).fetchone()
    except duckdb.HTTPException as error:
        if getattr(error, "status_code", None) != _GONE:
            raise
        raise FileNotFoundError(address) from error
    assert row is not None
    return BytesIO(row[0])


def below(lake: Lake, name: str) -> str:
    """The path below the lake's data path, of a whole one."""
    return name.removeprefix(lake.data_path).lstrip("/")
