"""What pure functions may use: names of numpy and Python, constants, attributes. And what to do instead of what they may not."""

from __future__ import annotations

import builtins
import math
import re
from collections.abc import Iterator
from datetime import timedelta
from types import ModuleType
from typing import Any

import numpy as np

_COMPUTE = (abs, all, any, divmod, enumerate, filter, isinstance, len, map, max, min, pow, range, reversed, round, sorted, sum, zip)
_HOLD = (bool, bytes, dict, float, frozenset, int, list, object, set, slice, str, tuple)
_FAIL = (ArithmeticError, IndexError, KeyError, OverflowError, TypeError, ValueError, ZeroDivisionError)
BUILTINS = frozenset(one.__name__ for one in (*_COMPUTE, *_HOLD, *_FAIL))

PARTS = frozenset({"numpy.char", "numpy.strings", "numpy.linalg", "numpy.fft", "numpy.polynomial"})
"""The parts of numpy that only compute."""

_FILES = ("load", "loadtxt", "save", "savez", "savez_compressed", "savetxt", "genfromtxt", "fromfile", "fromregex", "memmap")
_MACHINE = ("show_config", "show_runtime", "info", "test", "get_include", "datetime_as_string", "busdaycalendar")
_STATE = ("seterr", "seterrcall", "setbufsize", "set_printoptions", "bmat")
NOT_OF_NUMPY = {
    "random": "gives other values each time",
    **dict.fromkeys((*_FILES, "DataSource"), "reads or writes files"),
    **dict.fromkeys(_MACHINE, "depends on the machine"),
    **dict.fromkeys(_STATE, "reaches beyond the function"),
    **dict.fromkeys(("empty", "empty_like", "ndarray"), "holds whatever was in memory"),
}
"""Names of numpy that are refused, and why."""

_KINDS = (np.ndarray, np.float64, np.datetime64, np.timedelta64, str, bytes, float, int, tuple, list, dict, frozenset, timedelta)
_REACH_OUT = frozenset(("tofile", "dump", "dumps", "setflags", "setfield", "ctypes", "data", "base", "format", "format_map"))

ATTRIBUTES = frozenset(name for kind in _KINDS for name in dir(kind) if name[0] != "_") - _REACH_OUT | frozenset(
    ("accumulate", "outer", "reduce", "reduceat")
)
"""Attributes of arrays, numbers, texts and numpy's functions, but for those with which they reach out."""

CLOCK_STEP = "Read REQUEST_TIME instead: reads=(..., REQUEST_TIME)."
_CLOCK = re.compile(r"now|today|utcnow|time|date|datetime|gmtime|localtime|monotonic|perf_counter|time_ns", re.IGNORECASE)
_PLAIN = (bool, int, float, complex, str, bytes, timedelta, type(None), type(...))


def is_constant(value: Any) -> bool:
    """Whether a value cannot change: a number, a text, a span of time, a scalar of numpy, or a tuple or frozenset of such."""
    if type(value) in (tuple, frozenset):
        return all(map(is_constant, value))
    return type(value) in _PLAIN or (isinstance(value, np.generic) and not isinstance(value, np.void))


def written(value: Any) -> str:
    """A constant as a text that is the same in every process."""
    if isinstance(value, tuple):
        return f"({', '.join(map(written, value))})"
    return f"{{{', '.join(sorted(map(written, value)))}}}" if isinstance(value, frozenset) else repr(value)


def texts(value: Any) -> Iterator[str]:
    """The texts in a constant."""
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if isinstance(value, str):
        yield value.strip()
    elif isinstance(value, tuple | frozenset):
        for one in value:
            yield from texts(one)


def is_clock(text: str) -> bool:
    """Whether numpy takes a text for the time it is."""
    return text.lower() in ("now", "today")


def is_time_dtype(text: str) -> bool:
    return re.fullmatch(r"[<>=|]?(M8|datetime64)(\[.*\])?", text) is not None


def origin(value: Any) -> ModuleType | None:
    """The module, numpy or math, that has a function or a class under its own name."""
    name = getattr(value, "__name__", None)
    if not isinstance(name, str):
        return None
    return next((module for module in (math, np) if vars(module).get(name) is value), None)


def is_builtin(value: Any) -> bool:
    """Whether a value is one of the built-in names that only compute."""
    name = getattr(value, "__name__", None)
    return name in BUILTINS and getattr(builtins, name) is value


def described(value: Any) -> str:
    """What a value is that may not be used."""
    if getattr(value, "__module__", None) == "builtins":
        return "a built-in that does more than compute"
    kind = type(value).__name__
    return f"a {kind}, which can change" if isinstance(value, dict | list | set | np.ndarray) else f"a {kind}"


def step_for(name: str, value: Any) -> str:
    """What to do instead of using something that is refused."""
    if _CLOCK.fullmatch(name):
        return CLOCK_STEP
    if name in ("empty", "empty_like", "ndarray"):
        return "Use np.zeros or np.full(n, np.nan)."
    if isinstance(value, dict):
        return "Write a tuple of pairs, or np.select."
    if isinstance(value, list | set | np.ndarray):
        return "Write a tuple or a frozenset."
    return (
        "Use numpy, math, constants, and functions of these. What must be looked up elsewhere is computed in a feature pipeline,"
        " or comes with the request."
    )
