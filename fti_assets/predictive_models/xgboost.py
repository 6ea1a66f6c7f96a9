"""XGBoost models that carry their own transformations, in XGBoost's binary JSON."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from fti_assets.predictive_models.description import KEY, Description
from fti_assets.predictive_models.errors import ModelFileError
from fti_assets.transformations import FittedTransformations, FloatArray, MatrixArray, MatrixColumn, Rows


@dataclass(frozen=True, slots=True, eq=False)
class XGBoostModel:
    """A booster with what it needs to read raw rows.

    Attributes:
        booster: a fitted `xgboost.Booster`.
        transformations: fitted on the training split.
        label: name of what is predicted.
    """

    booster: Any
    transformations: FittedTransformations
    label: str

    FILE: ClassVar[str] = "model.ubj"

    def predict(self, rows: Rows) -> FloatArray:
        return self.predict_matrix(self.transformations.matrix(rows))

    def predict_matrix(self, matrix: MatrixArray) -> FloatArray:
        """The same for rows that were transformed already."""
        if not len(matrix):
            return np.empty(0, dtype=np.float64)
        return np.asarray(self.booster.inplace_predict(matrix, validate_features=False), dtype=np.float64)

    def contributions(self, rows: Rows) -> FloatArray:
        """SHAP values by feature of the view, in log-odds, shape (rows, features + 1); the last column is the expected value.

        Columns that come of one feature are added up. A row's values sum to the logit of its prediction.
        Source: Lundberg, Erion and Lee, Consistent Individualized Feature Attribution for Tree Ensembles, 2018.
        """
        return self.contributions_of_matrix(self.transformations.matrix(rows))

    def contributions_of_matrix(self, matrix: MatrixArray) -> FloatArray:
        """The same for rows that were transformed already."""
        import xgboost

        kinds = feature_types(self.transformations.columns)
        data = xgboost.DMatrix(matrix, feature_types=kinds, feature_names=self.booster.feature_names)
        by_column = np.asarray(self.booster.predict(data, pred_contribs=True), dtype=np.float64)
        by_feature = [by_column[:, place].sum(axis=1) for place in self.transformations.places]
        return np.column_stack([*by_feature, by_column[:, -1]])

    def save(self, folder: Path) -> Path:
        booster = self.booster.copy()
        described = Description(transformations=self.transformations, label=self.label, settings={})
        booster.set_attr(**{KEY: described.text})
        path = folder / self.FILE
        booster.save_model(path)
        return path

    @classmethod
    def from_bytes(cls, content: bytes, *, source: str = "the given bytes") -> XGBoostModel:
        """Reads the content of a model file; `source` names it in errors.

        Raises:
            ModelFileError: it was not written by `save`, or is damaged.
        """
        import xgboost

        if not content:  # XGBoost 3.2 ends the process on an empty buffer
            raise ModelFileError(f"{source} is empty.", next_step="Restore it from a backup, or train a new version.")
        try:
            booster = xgboost.Booster(model_file=bytearray(content))
        except xgboost.core.XGBoostError as error:
            raise ModelFileError(f"XGBoost cannot read {source} ({len(content):,} bytes): it is damaged or no model.") from error
        described = Description.read(booster.attr(KEY), source)
        return cls(booster, described.transformations, described.label)


def feature_names(columns: tuple[MatrixColumn, ...]) -> list[str]:
    """XGBoost's name of each column: its position, since XGBoost refuses some letters, and names may meet."""
    return [f"f{position}" for position in range(len(columns))]


def feature_types(columns: tuple[MatrixColumn, ...]) -> list[str]:
    """XGBoost's type of each column: `c` for codes of categories, `q` for quantities."""
    return ["q" if column.categories is None else "c" for column in columns]
