"""Our lookups by HTTP, in a FastAPI application of one page: what a server of features would be.

The answer has the features by columns, as that of Feast's server. For `uvicorn`.
"""

import time
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response

from benchmarks.serving.contracts import VIEW
from fti_assets.stores import online_store

READY = online_store().view(VIEW)
NAMES = VIEW.feature_names
SOURCES = tuple(map(str, READY.sources))
app = FastAPI()


@app.post("/features")
async def features(request: Request) -> Response:
    asked: list[dict[str, Any]] = orjson.loads(await request.body())["rows"]
    READY.check(asked)
    found = READY.find(asked, [time.time_ns() // 1000] * len(asked))
    said = {"features": dict(zip(NAMES, found.columns, strict=True)), "statuses": dict(zip(SOURCES, found.statuses, strict=True))}
    return Response(orjson.dumps(said), media_type="application/json")
