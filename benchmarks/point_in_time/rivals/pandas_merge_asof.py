"""pandas `merge_asof`, read and written through pyarrow with its quickest settings."""

import pandas as pd
import pyarrow as pa
from inputs import arguments, sorted_files
from pyarrow import parquet

from benchmarks.timed import timed

CASE, RESULT, _ = arguments()


def join() -> None:
    rows = _read(CASE / "spine.parquet")
    for path in sorted_files(CASE):
        rows = pd.merge_asof(rows, _read(path), on="event_time", by="entity_id")
    parquet.write_table(pa.Table.from_pandas(rows, preserve_index=False), RESULT, compression="NONE", use_dictionary=False)


def _read(path: object) -> pd.DataFrame:
    return parquet.read_table(path, memory_map=True).to_pandas(split_blocks=True, self_destruct=True)


timed(join)
