"""A FastAPI application of one page: features in a dict, the booster in memory, one worker. For `uvicorn`."""

import os
from pathlib import Path

import numpy as np
import xgboost
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

FOLDER = Path(os.environ["BENCHMARK_DATA"])
FEATURES = dict(enumerate(np.load(FOLDER / "matrix.npy")))
BOOSTER = xgboost.Booster(model_file=FOLDER / "model.ubj")
BOOSTER.set_param({"nthread": 1})
app = FastAPI()


class Question(BaseModel):
    account_ids: list[int]


class Answer(BaseModel):
    predictions: list[float]


@app.post("/predict")
async def predict(question: Question) -> Answer:
    try:
        rows = np.stack([FEATURES[account] for account in question.account_ids])
    except (KeyError, ValueError):
        raise HTTPException(404, "no such account") from None
    return Answer(predictions=BOOSTER.inplace_predict(rows, validate_features=False).tolist())
