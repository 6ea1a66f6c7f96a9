"""Our lookups by HTTP, in a FastAPI application of one page: what a server of features would be. For `uvicorn`."""

import time
from typing import Any

import orjson
from fastapi import FastAPI, Request, Response

from benchmarks.serving.contracts import VIEW
from fti_assets.stores import online_store

READY = online_store().view(VIEW)
NAMES = VIEW.feature_names
app = FastAPI()


@app.post("/features")
async def features(request: Request) -> Response:
    asked: list[dict[str, Any]] = orjson.loads(await request.body())["rows"]
    READY.check(asked)
    found = READY.find(asked, [time.time_ns() // 1000] * len(asked))
    rows = [{"features": dict(zip(NAMES, row.values, strict=True)), "statuses": row.statuses} for row in found]
    return Response(orjson.dumps({"rows": rows}), media_type="application/json")
