"""Contracts: what the owner of a table promises to those who read it. Plain data; no engine is imported."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from fti_assets.errors import DefinitionError
from fti_assets.vocabulary.names import checked_name, checked_owner

Severity = Literal["critical", "warning"]
Value = str | int | float | bool | tuple[str | int | float | bool, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """One statement about the rows of a window, as data.

    Attributes:
        kind: type of the Great Expectations expectation, in snake case (`expect_column_values_to_be_between`).
        columns: the columns it speaks of; none when it speaks of the window as a whole.
        arguments: its further arguments.
        mostly: the share of the rows of a window that must satisfy it.
        severity: a failed `critical` expectation publishes nothing, a failed `warning` publishes and warns.
        name: name of the asset check.
    """

    name: str
    kind: str
    columns: tuple[str, ...] = ()
    arguments: tuple[tuple[str, Value], ...] = ()
    mostly: float = 1.0
    severity: Severity = "critical"

    def __post_init__(self) -> None:
        checked_name(self.name, "An expectation")
        if not 0 < self.mostly <= 1:
            raise DefinitionError(f"Expectation '{self.name}' holds for a share of {self.mostly}; it must be in (0, 1].")
        if self.severity not in ("critical", "warning"):
            raise DefinitionError(f"Expectation '{self.name}' has severity {self.severity!r}; use 'critical' or 'warning'.")

    @property
    def sentence(self) -> str:
        """What is expected, in words."""
        given = dict(self.arguments)
        bounds = _bounds(given.get("min_value"), given.get("max_value"))
        what = {
            "expect_column_values_to_be_between": f"is {bounds}",
            "expect_column_values_to_not_be_null": "is not null",
            "expect_column_values_to_be_unique": "is unique",
            "expect_compound_columns_to_be_unique": "are unique together",
            "expect_column_values_to_be_in_set": f"is one of {', '.join(map(str, _many(given.get('value_set', ()))))}",
            "expect_column_values_to_match_regex": f"matches {given.get('regex')}",
            "expect_table_row_count_to_be_between": f"has {bounds} rows",
        }
        generic = f"{self.kind.removeprefix('expect_').replace('_', ' ')} {given or ''}".strip()
        share = "" if self.mostly == 1 else f", in at least {self.mostly:.1%} of the rows"
        return f"{', '.join(self.columns) or 'each window'} {what.get(self.kind, generic)}{share}"


def _bounds(low: Value | None, high: Value | None) -> str:
    if low is None or high is None:
        return f"at most {high}" if low is None else f"at least {low}"
    return f"from {low} to {high}"


def _many(value: Value) -> tuple[str | int | float | bool, ...]:
    return value if isinstance(value, tuple) else (value,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """Owner, expectations and freshness of a table.

    Attributes:
        owner: `team:NAME` or an e-mail address, as Dagster shows it.
        fresh_within: how old the newest partition may get; None promises nothing.
        expectations: see `fti_assets.expect`.
    """

    owner: str
    expectations: tuple[Expectation, ...] = ()
    fresh_within: timedelta | None = None

    def __post_init__(self) -> None:
        checked_owner(self.owner)
        names = [expectation.name for expectation in self.expectations]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise DefinitionError(
                f"These expectations are stated twice: {', '.join(twice)}.", next_step="Give one of them another name=."
            )


def _expectation(name: str, kind: str, columns: tuple[str, ...], options: dict[str, Any], **arguments: Value | None) -> Expectation:
    given = tuple((key, value) for key, value in arguments.items() if value is not None)
    return Expectation(name=options.pop("name", None) or name, kind=kind, columns=columns, arguments=given, **options)


def _check_bounds(what: str, low: float | None, high: float | None) -> None:
    if low is None and high is None:
        raise DefinitionError(f"The expectation on {what} has no bounds.", next_step="Give low=, high= or both.")
    if low is not None and high is not None and low > high:
        raise DefinitionError(f"The expectation on {what} holds for nothing: low={low} is above high={high}.")


class expect:  # noqa: N801 - reads as a verb: expect.between("temp_f", -60, 130)
    """Makes expectations. Each takes `severity=`, `name=` and, where rows are judged one by one, `mostly=`."""

    @staticmethod
    def between(column: str, low: float | None = None, high: float | None = None, **options: Any) -> Expectation:
        """Values lie in `[low, high]`; nulls are passed over."""
        _check_bounds(f"'{column}'", low, high)
        return _expectation(
            f"{column}_in_range", "expect_column_values_to_be_between", (column,), options, min_value=low, max_value=high
        )

    @staticmethod
    def not_null(column: str, **options: Any) -> Expectation:
        return _expectation(f"{column}_not_null", "expect_column_values_to_not_be_null", (column,), options)

    @staticmethod
    def unique(*columns: str, **options: Any) -> Expectation:
        """No two rows of a partition share the values of `columns`."""
        if not columns:
            raise DefinitionError("An expectation of uniqueness names no column.", next_step='Write expect.unique("origin").')
        if len(columns) == 1:
            return _expectation(f"{columns[0]}_unique", "expect_column_values_to_be_unique", columns, options)
        return _expectation("_".join((*columns, "unique")), "expect_compound_columns_to_be_unique", columns, options)

    @staticmethod
    def one_of(column: str, values: tuple[str | int, ...], **options: Any) -> Expectation:
        return _expectation(f"{column}_known", "expect_column_values_to_be_in_set", (column,), options, value_set=tuple(values))

    @staticmethod
    def matches(column: str, pattern: str, **options: Any) -> Expectation:
        """Values match the regular expression from their first character on."""
        return _expectation(f"{column}_format", "expect_column_values_to_match_regex", (column,), options, regex=pattern)

    @staticmethod
    def row_count(low: int | None = None, high: int | None = None, **options: Any) -> Expectation:
        """Each window has `low` to `high` rows; a window is one partition, or the whole of a table without time."""
        _check_bounds("the row count", low, high)
        return _expectation(
            "row_count_in_range", "expect_table_row_count_to_be_between", (), options, min_value=low, max_value=high
        )
