"""XGBoost models that carry their own encoding: raw rows in, probabilities out, one file without pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from fti_assets.errors import DefinitionError, FtiError, not_found
from fti_assets.vocabulary import Column

Rows: TypeAlias = pa.Table | pd.DataFrame
FloatArray: TypeAlias = npt.NDArray[np.float64]

_ATTRIBUTE = "fti_assets"
_NUMBERS = ("float", "int", "bool")


class RowsError(FtiError):
    """Rows given to a model do not fit its features."""


class ModelFileError(FtiError):
    """A model file cannot be used."""


@dataclass(frozen=True, slots=True)
class CategoryEncoding:
    """The categories of each string feature, as the training split had them. What it did not have counts as missing."""

    categories: Mapping[str, tuple[str, ...]]

    @classmethod
    def fit(cls, train: pa.Table, features: Sequence[Column]) -> CategoryEncoding:
        """Learns the sorted categories of every string feature; give it the training split only."""
        strings = [feature.name for feature in features if feature.type == "string"]
        return cls({name: tuple(sorted(pc.unique(_strings(train, name)).drop_null().to_pylist())) for name in strings})

    def codes(self, rows: pa.Table, name: str) -> pa.ChunkedArray:
        """The position of each value among the categories of `name`; null where it is missing or unseen."""
        return pc.index_in(_strings(rows, name), value_set=pa.array(self.categories[name], pa.string()), skip_nulls=True)


def feature_matrix(rows: Rows, features: Sequence[Column], encoding: CategoryEncoding) -> npt.NDArray[np.float32]:
    """Rows as XGBoost reads them: one float32 column for each feature, NaN where a value is missing.

    Raises:
        RowsError: a feature is missing, has a type that does not fit, or holds an infinite value.
    """
    table = _table(rows, features)
    matrix = np.empty((table.num_rows, len(features)), dtype=np.float32)
    for position, feature in enumerate(features):
        matrix[:, position] = _numbers(table, feature, encoding)
    _refuse_infinite(matrix, features)
    return matrix


def feature_types(features: Sequence[Column]) -> list[str]:
    """XGBoost's type of each feature: `c` for categories, `q` for quantities.

    Raises:
        DefinitionError: a feature is a timestamp or a date.
    """
    for feature in features:
        if feature.type != "string" and feature.type not in _NUMBERS:
            raise DefinitionError(
                f"Feature '{feature.name}' is a {feature.type}, which a tree cannot read.",
                next_step="Derive a number from it in a feature pipeline (hour, weekday, age) and choose that in the view.",
            )
    return ["c" if feature.type == "string" else "q" for feature in features]


@dataclass(frozen=True, slots=True, eq=False)
class XGBoostModel:
    """A booster with what it needs to read raw rows.

    Attributes:
        booster: a fitted `xgboost.Booster`.
        features: name and type of each feature, in the order of training.
        encoding: fitted on the training split.
        label: name of what is predicted.
    """

    booster: Any
    features: tuple[Column, ...]
    encoding: CategoryEncoding
    label: str

    FILE: ClassVar[str] = "model.ubj"

    def predict(self, rows: Rows) -> FloatArray:
        """The probability of the label for each row, in the order of the rows; a row's value depends on that row alone.

        Raises:
            RowsError: a feature is missing, has a type that does not fit, or holds an infinite value.
        """
        matrix = feature_matrix(rows, self.features, self.encoding)
        if not len(matrix):
            return np.empty(0, dtype=np.float64)
        return np.asarray(self.booster.inplace_predict(matrix, validate_features=False), dtype=np.float64)

    def save(self, folder: Path) -> Path:
        """Writes the model into `folder` as one file, the encoding inside it, and returns its path."""
        booster = self.booster.copy()
        booster.set_attr(**{_ATTRIBUTE: json.dumps(self._description(), sort_keys=True)})
        path = folder / self.FILE
        booster.save_model(path)
        return path

    def _description(self) -> dict[str, Any]:
        return {
            "categories": {name: list(values) for name, values in self.encoding.categories.items()},
            "features": [[feature.name, feature.type] for feature in self.features],
            "label": self.label,
        }

    @classmethod
    def load(cls, folder: Path) -> XGBoostModel:
        """Reads what `save` wrote.

        Raises:
            ModelFileError: there is no such file, or it was not written by `save`.
        """
        path = folder / cls.FILE
        if not path.is_file():
            raise ModelFileError(f"There is no model file {path}.", next_step="Name the folder that XGBoostModel.save wrote to.")
        return cls.from_bytes(path.read_bytes(), source=str(path))

    @classmethod
    def from_bytes(cls, content: bytes, *, source: str = "the given bytes") -> XGBoostModel:
        """Reads the content of a model file; `source` names it in errors."""
        import xgboost

        if not content:  # XGBoost 3.2 ends the process on an empty buffer
            raise ModelFileError(f"{source} is empty.", next_step="Restore it from a backup, or train a new version.")
        try:
            booster = xgboost.Booster(model_file=bytearray(content))
        except xgboost.core.XGBoostError as error:
            raise ModelFileError(f"XGBoost cannot read {source} ({len(content):,} bytes): it is damaged or no model.") from error
        text = booster.attr(_ATTRIBUTE)
        if text is None:
            raise ModelFileError(f"{source} is an XGBoost model without an encoding.", next_step="Save it with XGBoostModel.save.")
        said = json.loads(text)
        return cls(
            booster=booster,
            features=tuple(Column(name, kind) for name, kind in said["features"]),
            encoding=CategoryEncoding({name: tuple(values) for name, values in said["categories"].items()}),
            label=said["label"],
        )


def _table(rows: Rows, features: Sequence[Column]) -> pa.Table:
    names = [feature.name for feature in features]
    existing = list(rows.column_names if isinstance(rows, pa.Table) else rows.columns)
    for name in names:
        if name not in existing:
            raise RowsError(str(not_found("Feature", name, map(str, existing), where="the rows given to the model")))
    if isinstance(rows, pa.Table):
        return rows.select(names)
    try:
        return pa.Table.from_pandas(rows[names], preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise RowsError(f"The rows given to the model hold a column of mixed types: {error}") from error


def _strings(table: pa.Table, name: str) -> pa.ChunkedArray:
    values = table.column(name)
    kind = values.type.value_type if pa.types.is_dictionary(values.type) else values.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind) or pa.types.is_null(kind)):
        raise RowsError(f"Feature '{name}' is a string to the model, but the rows give {kind}.", next_step="Give it as text.")
    return values.cast(pa.string())


def _numbers(table: pa.Table, feature: Column, encoding: CategoryEncoding) -> npt.NDArray[np.float32]:
    values = encoding.codes(table, feature.name) if feature.type == "string" else table.column(feature.name)
    kind = values.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind) or pa.types.is_null(kind)):
        raise RowsError(
            f"Feature '{feature.name}' is a number ({feature.type}) to the model, but the rows give {kind}.",
            next_step="Give it as a number or a truth value.",
        )
    # Beyond float32 a value becomes infinite here, and is refused with the others.
    return np.asarray(values.cast(pa.float32(), safe=False).to_numpy(), dtype=np.float32)


def _refuse_infinite(matrix: npt.NDArray[np.float32], features: Sequence[Column]) -> None:
    infinite = [feature.name for position, feature in enumerate(features) if np.isinf(matrix[:, position]).any()]
    if infinite:
        raise RowsError(
            f"The rows given to the model hold infinite values in: {', '.join(infinite)}.", next_step="Give a number or null."
        )
