"""On-demand transformations: features computed from those that are stored and from what comes with a request.

One function for training, batch and online. It works on columns, and is seen to be pure when it is defined: see `purity`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import FunctionType
from typing import TYPE_CHECKING

from fti_assets.errors import DefinitionError, FtiError
from fti_assets.vocabulary.table import Column, Feature

if TYPE_CHECKING:  # numpy takes longer to load than the rest of the vocabulary, and most commands do without it
    from fti_assets.vocabulary.arrays import Array
    from fti_assets.vocabulary.purity import PureFunction

REQUEST_TIME = "request_time"
"""Stands among the inputs for the time of the row, or of the request: `view.at`."""

_RESULTS = ("float", "int", "bool", "string")


class OnDemandError(FtiError):
    """An on-demand transformation cannot be computed: its function is gone or another one, fails, or gives what it may not."""


@dataclass(frozen=True)
class OnDemand:
    """A feature that a pure function computes when it is asked for; made with `@on_demand`.

    What is stored of it are the attributes. The function is looked up by its reference when it is first needed.

    Attributes:
        result: the feature that it gives.
        reads: its inputs, in the order of the function's arguments: stored features, columns of the spine, results of on-demand
            transformations that come before it in the view, or `REQUEST_TIME`.
        reference: where the function is defined, as `module:name`.
        sha256: of the function's code, of the functions that it calls, and of the constants that they use; comments, docstrings
            and formatting do not count.
    """

    result: Feature
    reads: tuple[str, ...]
    reference: str
    sha256: str

    def __post_init__(self) -> None:
        if self.result.type not in _RESULTS:
            raise DefinitionError(
                f"On-demand feature '{self}' is to be a {self.result.type}.", next_step=f"Give one of: {', '.join(_RESULTS)}."
            )
        if not self.reads or len(set(self.reads)) != len(self.reads):
            raise DefinitionError(
                f"On-demand feature '{self}' reads ({', '.join(self.reads)}); it needs inputs, each named once.",
                next_step=f"Name stored features, columns of the spine, or REQUEST_TIME ('{REQUEST_TIME}') in reads=.",
            )

    def __str__(self) -> str:
        return f"{self.name} ({self.reference})"

    def __call__(self, *inputs: Array) -> Array:
        """The function itself."""
        return self.pure.function(*inputs)  # type: ignore[no-any-return]

    @property
    def name(self) -> str:
        """The name of the feature."""
        return self.result.name

    @property
    def pure(self) -> PureFunction:
        """The function, with what was seen of it.

        Raises:
            OnDemandError: it is not where the reference says, or is another one by now.
        """
        kept: PureFunction | None = self.__dict__.get("_pure")
        return _with(self, _found(self)).pure if kept is None else kept

    @property
    def function(self) -> FunctionType:
        """The function as it is called; raises as `pure` does."""
        return self.pure.function

    def check_inputs(self, columns: Sequence[Column]) -> None:
        """Sees that the function can read these columns.

        Raises:
            DefinitionError: it may make times of texts, and so of the text `now` what the clock says.
        """
        seen: PureFunction | None = self.__dict__.get("_pure")
        words = [column.name for column in columns if column.type == "string"]
        if words and seen is not None and seen.makes_times:  # one that is stored was seen when it was defined
            raise DefinitionError(
                f"On-demand feature '{self}' makes times (datetime64) and reads the text '{words[0]}': numpy takes the text 'now'"
                " for the clock.",
                next_step="Make it two on-demand features, or constants of the module: START = np.datetime64('2013-01-01').",
            )

    def compute(self, columns: Mapping[str, Array]) -> Array:
        """The feature of some rows, of which `columns` has the inputs: arrays of one length, as `as_array` makes them.

        Returns:
            An array of that length, of the same form. A number that is not finite is a null.

        Raises:
            OnDemandError: the function fails, or what it gives is not one value of the declared type for each row.
        """
        from fti_assets.vocabulary.arrays import as_array, result_of

        given = [_read_only(columns[name]) for name in self.reads]
        rows, kind = len(given[0]), self.result.type
        if not rows:
            return as_array((), kind)
        function = self.pure.function
        try:
            return result_of(function, given, rows, kind)
        except Exception as error:
            said = str(error) if isinstance(error, DefinitionError) else f"{type(error).__name__}: {error}"
            raise OnDemandError(f"On-demand feature '{self}' cannot be computed: {said}") from error


def on_demand(result: Feature, *, reads: tuple[str, ...]) -> Callable[[Callable[..., Array]], OnDemand]:
    """Makes an on-demand transformation of a function, for `FeatureView(on_demand=...)`.

    The function gets one numpy array for each input, all of one length: float64 with NaN for float, int and bool, object with None
    for string, datetime64[us] with NaT for timestamps. It returns an array of that length, each value from the same row of the
    inputs; NaN and None are nulls. It may use numpy, math, constants, and functions that use no more than that.

    Raises:
        DefinitionError: the function can reach something else, such as a clock or a file; the error says where and what to do.
    """
    from fti_assets.vocabulary.purity import pure

    def decorate(function: Callable[..., Array]) -> OnDemand:
        seen = pure(function, f"On-demand feature '{result.name}'")
        plain = seen.function
        made = OnDemand(result, tuple(reads), f"{plain.__module__}:{plain.__qualname__}", seen.sha256)
        _check_arguments(made, plain)
        return _with(made, seen)

    return decorate


def _with(one: OnDemand, seen: PureFunction) -> OnDemand:
    object.__setattr__(one, "_pure", seen)  # not a field: neither stored nor compared
    return one


def _read_only(array: Array) -> Array:
    """The array, of which a function cannot change what others read as well."""
    if array.flags.writeable:
        array = array.view()
        array.flags.writeable = False
    return array


def _check_arguments(one: OnDemand, function: FunctionType) -> None:
    parameters = inspect.signature(function).parameters.values()
    plain = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty]
    if len(plain) != len(parameters) or len(plain) != len(one.reads):
        raise DefinitionError(
            f"On-demand feature '{one}' reads {len(one.reads)} columns ({', '.join(one.reads)}), but its function takes"
            f" ({', '.join(map(str, parameters))}).",
            next_step="Give it one argument for each input, in that order, without defaults.",
        )


def _found(one: OnDemand) -> PureFunction:
    """The function by its reference."""
    module, _, path = one.reference.partition(":")
    try:
        found = import_module(module)
        for name in path.split("."):
            found = getattr(found, name)
    except (ImportError, AttributeError) as error:
        raise OnDemandError(
            f"On-demand feature '{one}' needs its function, but there is none: {error}.",
            next_step="Use the code with which it was defined, or install it here.",
        ) from error
    if not isinstance(found, OnDemand) or found.sha256 != one.sha256:
        raise OnDemandError(
            f"On-demand feature '{one}' was defined by another function than the one that is there now: its SHA-256 is not"
            f" {one.sha256[:12]} but {found.sha256[:12] if isinstance(found, OnDemand) else 'unknown'}.",
            next_step="Use the code with which it was defined. A changed function belongs into a new version of its view.",
        )
    return found.pure
