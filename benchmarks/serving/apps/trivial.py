"""The least that a server can do: a constant. For `uvicorn`."""

from fastapi import FastAPI

app = FastAPI()


@app.post("/constant")
async def constant() -> dict[str, float]:
    return {"prediction": 0.5}
