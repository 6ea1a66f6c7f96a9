"""One version of a model, compiled for rows of plain values: what predicts, and what explains."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import TypeAlias

from fti_assets.predictive_models import ForestModel, PredictiveModel, XGBoostModel
from fti_assets.serving.check_rows import TOLERANCE, as_columns, furthest, plain_predictions
from fti_assets.serving.errors import RequestError
from fti_assets.serving.version_files import KeptVersion
from fti_assets.transformations import ColumnValues, FloatArray, RowEncoder

LOGGER = logging.getLogger("fti.serving")
LoadPlain: TypeAlias = Callable[[], PredictiveModel]

EXPLAINED = "XGBoostModel"
"""The kind of model whose predictions can be explained."""


class Scorer:
    """Predicts with one version, in one thread.

    Args:
        kept: the version on the server's own disk.
        view_version: of the feature view that it was trained on.
        model: what predicts: its quicker form, or the model itself.
        names: of the columns that are given, in their order.
        load_plain: gives the model as it was registered, which may take seconds.
    """

    def __init__(
        self, *, kept: KeptVersion, view_version: int, model: PredictiveModel, names: Sequence[str], load_plain: LoadPlain
    ) -> None:
        self.kept, self.version, self.view_version, self.kind = kept, kept.version, view_version, kept.kind
        self.model, self.names = model, tuple(names)
        self.encode = RowEncoder(model.transformations, names).matrix
        self.score = model.predict_matrix
        self.is_compiled, self._is_tried = True, False
        self._load_plain, self._lock = load_plain, Lock()
        self._plain: PredictiveModel | None = None
        self.is_compared = False
        self._features = [feature.name for feature in model.transformations.features]

    @property
    def path(self) -> str:
        """What the numbers are computed with, for people."""
        return type(self.model).__name__

    def predict(self, columns: Sequence[ColumnValues]) -> FloatArray:
        """One number for each row.

        Raises:
            RowsError: a value is infinite to the model.
        """
        return self.score(self.encode(columns))

    def start_by_numpy(self) -> None:
        """Predicts without the model's compiled code, which takes a second to be loaded, until `compile`."""
        if isinstance(self.model, ForestModel):
            self.score, self.is_compiled = self.model.predict_matrix_by_numpy, False

    def compile(self) -> None:
        """Loads the model's compiled code, once, and predicts by it from the next request on if it predicts the same."""
        if self.is_compiled or self._is_tried:
            return
        self._is_tried = True
        check = self.kept.check()
        matrix = self.encode(as_columns(check["rows"], self._features, self.names))
        distance = furthest(self.model.predict_matrix(matrix), check["predictions"])
        if distance > TOLERANCE:
            LOGGER.error("Version %d goes on by numpy: its compiled code predicts what is %.1e away.", self.version, distance)
            return
        self.score, self.is_compiled = self.model.predict_matrix, True

    @property
    def plain(self) -> PredictiveModel:
        """The model as it was registered; loaded once, which may take seconds."""
        with self._lock:
            if self._plain is None:
                self._plain = one_thread(self._load_plain())
            return self._plain

    def distance_from_plain(self) -> float:
        """How far its predictions are from those of `plain` for a table of the rows that are kept with the version."""
        check = self.kept.check()
        given = as_columns(check["rows"], self._features, self.names)
        return furthest(self.predict(given), plain_predictions(self.plain, check["rows"]).tolist())

    def explain(self, columns: Sequence[ColumnValues]) -> list[Explanation]:
        """Why each row got its prediction.

        Raises:
            RequestError: models of this kind cannot be explained.
        """
        if self.kind != EXPLAINED:
            raise RequestError(
                422,
                f"The champion is a {self.kind}, whose predictions cannot be explained.",
                where="explain",
                expected=f"false; only an {EXPLAINED} can be explained",
            )
        plain = self.plain
        assert isinstance(plain, XGBoostModel)
        values = plain.contributions_of_matrix(self.encode(columns))
        return [Explanation(float(row[-1]), dict(zip(self._features, row[:-1].tolist(), strict=True))) for row in values]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a row got its prediction, in log-odds: `base_value` and the contributions sum to the prediction's logit.

    Attributes:
        base_value: of a row of which nothing is known.
        contributions: SHAP values by feature.
    """

    base_value: float
    contributions: dict[str, float]

    def as_data(self) -> dict[str, object]:
        logit = self.base_value + sum(self.contributions.values())
        return {"base_value": self.base_value, "contributions": self.contributions, "logit": logit}


def one_thread(model: PredictiveModel) -> PredictiveModel:
    """The model, which from now on predicts in one thread."""
    if isinstance(model, XGBoostModel):
        model.booster.set_param({"nthread": 1})
    return model
