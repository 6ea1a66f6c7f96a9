"""Model-dependent transformations: what becomes of features before a model reads them. Declared on the model, fitted on its
training split, saved inside its file.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from fti_assets.errors import DefinitionError, not_found
from fti_assets.vocabulary.table import Column

Scale = Literal["standard", "robust", "min_max"]
Impute = Literal["mean", "median"]
Encode = Literal["codes", "one_hot"]
_NUMBERS = ("float", "int", "bool")


@dataclass(frozen=True, slots=True, kw_only=True)
class Numeric:
    """What becomes of numbers (float, int, bool).

    Attributes:
        features: those it is for; all numbers that no other transformation names when empty.
        impute: what stands for a missing value: the training split's mean or median, or a number; missing stays missing when None.
        indicator: adds a column `NAME_missing`, 1 where the value was missing.
        scale: `standard` subtracts the mean and divides by the standard deviation, `robust` uses median and interquartile range,
            `min_max` maps the training split to 0..1; all of the values that are there.

    Raises:
        DefinitionError: a word says nothing, or missing values would become NaN or infinite.
    """

    features: tuple[str, ...] = ()
    impute: Impute | float | None = None
    indicator: bool = False
    scale: Scale | None = None

    def __post_init__(self) -> None:
        is_number = isinstance(self.impute, (int, float)) and math.isfinite(self.impute)
        if not is_number and self.impute not in (None, *get_args(Impute)):
            raise DefinitionError(
                f"impute is {self.impute!r}.", next_step="Give 'mean', 'median', a finite number, or None to keep missing values."
            )
        if self.scale not in (None, *get_args(Scale)):
            raise DefinitionError(
                f"scale is {self.scale!r}.", next_step="Give 'standard', 'robust', 'min_max', or None to keep values as they are."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Categorical:
    """What becomes of categories (string). A value that the training split did not have counts as missing.

    Attributes:
        features: those it is for; all strings that no other transformation names when empty.
        encode: `codes` gives one column with the position of the category, missing where it is missing; `one_hot` one column of
            0 and 1 for each category, all 0 where it is missing.
        minimum_rows: categories that fewer rows of the training split have count as missing.

    Raises:
        DefinitionError: there is no such encoding, or minimum_rows is below 1.
    """

    features: tuple[str, ...] = ()
    encode: Encode = "codes"
    minimum_rows: int = 1

    def __post_init__(self) -> None:
        if self.encode not in get_args(Encode):
            raise DefinitionError(f"encode is {self.encode!r}.", next_step="Give 'codes' or 'one_hot'.")
        if self.minimum_rows < 1:
            raise DefinitionError(f"minimum_rows is {self.minimum_rows}; a category has at least 1 row.")


Transformation = Numeric | Categorical


def transformation_of(declared: Sequence[Transformation], feature: Column) -> Transformation:
    """The one that is for a feature: the one that names it, else the one for its kind, else the kind's default.

    Raises:
        DefinitionError: the feature is a timestamp or a date, which no model reads.
    """
    kind = _kind(feature)
    named = [one for one in declared if feature.name in one.features]
    general = [one for one in declared if isinstance(one, kind) and not one.features]
    return (named or general or [kind()])[0]


def check_transformations(declared: Sequence[Transformation], features: Sequence[Column], where: str) -> None:
    """Refuses transformations that contradict one another or do not fit the features.

    Raises:
        NotFoundError: one names a feature that is not there.
        DefinitionError: one is for features of another kind, two are for one feature, or an indicator has the name of a feature.
    """
    columns = {feature.name: feature for feature in features}
    seen: set[str | type] = set()
    for one in declared:
        for name in one.features:
            if name not in columns:
                raise not_found("Feature", name, columns, where=where)
            if not isinstance(one, _kind(columns[name])):
                raise DefinitionError(
                    f"{where} gives '{name}', a {columns[name].type}, a transformation for {type(one).__name__.lower()} features."
                )
        for target in one.features or (type(one),):
            if target in seen:
                what = f"feature '{target}'" if isinstance(target, str) else f"all {target.__name__.lower()} features"
                raise DefinitionError(f"{where} gives two transformations for {what}.", next_step="Keep one, or name the features.")
            seen.add(target)
    _check_indicators(declared, columns, where)


def _check_indicators(declared: Sequence[Transformation], columns: Mapping[str, Column], where: str) -> None:
    for name, column in columns.items():
        one = transformation_of(declared, column) if column.type in _NUMBERS else None
        if isinstance(one, Numeric) and one.indicator and f"{name}_missing" in columns:
            raise DefinitionError(
                f"{where} adds an indicator '{name}_missing' for '{name}', but its view has a feature of that name.",
                next_step=f"Rename the feature, or give '{name}' a transformation without an indicator.",
            )


def _kind(feature: Column) -> type[Numeric] | type[Categorical]:
    if feature.type == "string":
        return Categorical
    if feature.type in _NUMBERS:
        return Numeric
    raise DefinitionError(
        f"Feature '{feature.name}' is a {feature.type}, which a model cannot read.",
        next_step="Derive a number from it in a feature pipeline (hour, weekday, age) and choose that in the view.",
    )
