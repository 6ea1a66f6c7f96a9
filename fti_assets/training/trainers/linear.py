"""Logistic regression: the baseline that a better model has to beat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from fti_assets.compute import check_device
from fti_assets.errors import DefinitionError
from fti_assets.predictive_models import SklearnModel
from fti_assets.training.data import TrainingData
from fti_assets.training.evaluation import binary_metrics
from fti_assets.training.fitted_model import FittedModel
from fti_assets.training.matrix import matrices
from fti_assets.training.run import TrainingRun
from fti_assets.training.weights import ClassWeight, positive_weight
from fti_assets.transformations import FittedTransformations


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearTrainer:
    """Logistic regression with a squared penalty, by L-BFGS. Its features must be imputed, scaled and one-hot.

    Attributes:
        inverse_penalty: larger is less regular; scikit-learn's `C`.
        most_iterations: after which it stops, converged or not.
        class_weight: weight of a positive row; `balanced` is the number of negative by that of positive ones.
    """

    inverse_penalty: float = 1.0
    most_iterations: int = 500
    class_weight: ClassWeight = 1.0

    def fit(self, data: TrainingData, run: TrainingRun) -> FittedModel:
        """Trains on the train split; the validation split is measured only.

        Raises:
            DeviceError: `run.device` is a GPU, which scikit-learn cannot use.
            DefinitionError: the model's transformations leave missing values or codes of categories.
            TrainingDataError: a row has no label.
        """
        from sklearn.linear_model import LogisticRegression
        from threadpoolctl import threadpool_limits

        check_device(run.device, only_cpu="scikit-learn")
        with matrices(data, run) as made, threadpool_limits(run.threads):
            require_numbers(made.transformations, "Logistic regression", codes=False)
            run.progress(f"fitting {len(made.train):,} rows of {made.train.values.shape[1]} columns")
            estimator = LogisticRegression(
                C=self.inverse_penalty,
                max_iter=self.most_iterations,
                class_weight={0: 1.0, 1: positive_weight(self.class_weight, made.train.labels)},
            ).fit(made.train.values, made.train.labels.astype(np.int64))
            scores = estimator.predict_proba(made.validation.values)[:, 1]
            run.report(int(estimator.n_iter_[0]), {"logloss": binary_metrics(made.validation.labels, scores)["log_loss"]})
        return FittedModel(
            model=SklearnModel(estimator, made.transformations, data.label),
            params=self.params,
            feature_importance=_importance(np.abs(estimator.coef_[0]), made.transformations),
        )

    @property
    def params(self) -> Mapping[str, str | int | float | bool | None]:
        """The parameters as they are logged."""
        return {"trainer": "linear", **asdict(self)}


def require_numbers(transformations: FittedTransformations, who: str, *, codes: bool) -> None:
    """Refuses transformations after which a value may be missing, or (unless `codes`) is the code of a category.

    Raises:
        DefinitionError: they are such; the error names the features.
    """
    for feature, one, place in zip(transformations.features, transformations.fitted, transformations.places, strict=True):
        column = transformations.columns[place.start] if place.start < place.stop else None
        if column is not None and column.categories is not None and not codes:
            raise DefinitionError(
                f"{who} cannot read the codes of categories that feature '{feature.name}' becomes.",
                next_step='Declare Categorical(encode="one_hot") on the model.',
            )
        if feature.type != "string" and getattr(one, "fill", None) is None:
            raise DefinitionError(
                f"{who} cannot read missing values, which feature '{feature.name}' may have.",
                next_step='Declare Numeric(impute="median", scale="standard") on the model.',
            )


def _importance(weights: np.ndarray, transformations: FittedTransformations) -> dict[str, float]:
    """The share of the sum of absolute weights by feature, which says something where features are scaled alike."""
    total = float(weights.sum()) or 1.0
    named = zip(transformations.features, transformations.places, strict=True)
    shares = {feature.name: float(weights[place].sum()) / total for feature, place in named}
    return dict(sorted(shares.items(), key=lambda item: (-item[1], item[0])))
