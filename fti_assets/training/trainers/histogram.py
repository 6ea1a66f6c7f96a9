"""scikit-learn's histogram gradient boosting, stopped early on the validation split."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from fti_assets.compute import check_device
from fti_assets.predictive_models import SklearnModel
from fti_assets.training.data import TrainingData
from fti_assets.training.fitted_model import FittedModel
from fti_assets.training.matrix import matrices
from fti_assets.training.run import TrainingRun
from fti_assets.training.weights import ClassWeight, positive_weight


@dataclass(frozen=True, slots=True, kw_only=True)
class HistogramTrainer:
    """Parameters of scikit-learn's `HistGradientBoostingClassifier`, which holds some 700 bytes for each row of 30 features.

    Attributes:
        rounds: most trees that are grown.
        early_stopping_rounds: how many rounds without a better log loss on the validation split end the training.
        class_weight: weight of a positive row; `balanced` is the number of negative by that of positive ones.
    """

    rounds: int = 600
    early_stopping_rounds: int = 30
    learning_rate: float = 0.05
    max_leaf_nodes: int = 63
    min_samples_leaf: int = 100
    l2_regularization: float = 1.0
    max_features: float = 0.5
    class_weight: ClassWeight = 1.0

    def fit(self, data: TrainingData, run: TrainingRun) -> FittedModel:
        """Trains on the train split, watching the validation split.

        Raises:
            DeviceError: `run.device` is a GPU, which scikit-learn cannot use.
            TrainingDataError: a row has no label.
        """
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        from sklearn.ensemble import HistGradientBoostingClassifier
        from threadpoolctl import threadpool_limits

        check_device(run.device, only_cpu="scikit-learn")
        with matrices(data, run) as made, threadpool_limits(run.threads):
            columns = made.transformations.columns
            estimator = HistGradientBoostingClassifier(
                learning_rate=self.learning_rate,
                max_iter=self.rounds,
                max_leaf_nodes=self.max_leaf_nodes,
                min_samples_leaf=self.min_samples_leaf,
                l2_regularization=self.l2_regularization,
                max_features=self.max_features,
                # It takes at most 255 categories; a feature with more is read as a number.
                categorical_features=[column.categories is not None and len(column.categories) <= 255 for column in columns],
                early_stopping=True,
                scoring="loss",
                n_iter_no_change=self.early_stopping_rounds,
                class_weight={0: 1.0, 1: positive_weight(self.class_weight, made.train.labels)},
                random_state=run.seed,
            )
            run.progress(f"fitting {len(made.train):,} rows of {len(columns)} columns")
            estimator.fit(
                made.train.values,
                made.train.labels.astype(np.int64),
                X_val=made.validation.values,
                y_val=made.validation.labels.astype(np.int64),
            )
        curve = {  # without the first value, which is from before the first tree
            "logloss_train": tuple(-float(value) for value in estimator.train_score_[1:]),
            "logloss_validation": tuple(-float(value) for value in estimator.validation_score_[1:]),
        }
        # The trees grown after the best round stay in the model, so the last value is its loss.
        run.report(estimator.n_iter_ - 1, {"logloss": curve["logloss_validation"][-1]})
        return FittedModel(
            model=SklearnModel(estimator, made.transformations, data.label),
            params=self.params,
            learning_curve=curve,
            best_iteration=estimator.n_iter_ - 1,
        )

    @property
    def params(self) -> Mapping[str, str | int | float | bool | None]:
        """The parameters as they are logged."""
        return {"trainer": "histogram", **asdict(self)}
