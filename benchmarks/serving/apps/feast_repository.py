"""Feast's side, in its own environment. The arguments: what is done, folder of its repository, folder of the data.

`apply` declares three views and a service; `fill` writes every account into the online store; `lookups` times the SDK in this
process, pinned to the core in `BENCHMARK_CORE`, and prints a line of JSON.
"""

import json
import os
import sys
from datetime import timedelta
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, ValueType
from feast.types import Float64, Int64, String
from pyarrow import parquet

from benchmarks.serving.apps.timing import pin, timings

WHAT, REPOSITORY, DATA = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
ACCOUNT = Entity(name="account", join_keys=["account_id"], value_type=ValueType.INT64)
TYPES = {"double": Float64, "int64": Int64, "string": String}
SERVICE = "account_risk"


def view(path: Path) -> FeatureView:
    found = parquet.read_schema(path)
    fields = [Field(name=name, dtype=TYPES[str(found.field(name).type)]) for name in found.names[2:]]
    source = FileSource(name=path.stem, path=str(path.resolve()), timestamp_field="known_at")
    return FeatureView(name=path.stem, entities=[ACCOUNT], ttl=timedelta(0), schema=fields, source=source, online=True)


def apply(store: FeatureStore) -> None:
    views = [view(path) for path in sorted((DATA / "features").glob("*.parquet"))]
    store.apply([ACCOUNT, *views, FeatureService(name=SERVICE, features=views)])


def fill(store: FeatureStore) -> None:
    for path in sorted((DATA / "features").glob("*.parquet")):
        rows = pd.read_parquet(path)
        for start in range(0, len(rows), 10_000):
            store.write_to_online_store(path.stem, rows.iloc[start : start + 10_000])


def lookups(store: FeatureStore) -> None:
    pin()
    service = store.get_feature_service(SERVICE)
    requests = json.loads((DATA / "requests.json").read_text())
    asked = {int(rows): [{"account_id": accounts} for accounts in found] for rows, found in requests.items()}
    print(json.dumps(timings(asked, lambda rows: store.get_online_features(features=service, entity_rows=rows).to_dict())))


if __name__ == "__main__":
    os.chdir(REPOSITORY)
    {"apply": apply, "fill": fill, "lookups": lookups}[WHAT](FeatureStore(repo_path=str(REPOSITORY)))
    sys.stdout.flush()
    os._exit(0)  # threads that refresh its registry would keep it
