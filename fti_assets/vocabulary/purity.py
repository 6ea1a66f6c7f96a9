"""Pure functions: seen, from their bytecode, to compute from their arguments alone, and copied so that it stays like that.

A guard against mistakes, not against an attack: it sees what is named, not what is put together from letters.
"""

from __future__ import annotations

import builtins
import dis
import hashlib
import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any, NoReturn

import numpy as np

from fti_assets.errors import DefinitionError
from fti_assets.vocabulary import allowed
from fti_assets.vocabulary.code_text import code_text

_NOTHING = object()
_BUILTINS = {name: getattr(builtins, name) for name in (*allowed.BUILTINS, "__import__")}
"""What copies have for built-ins. numpy imports its own parts through those of its caller."""

_GENERATORS = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
_STEPS = {
    "IMPORT_NAME": ("imports {}", "Import numpy or math at the top of the module; nothing else can be used."),
    "STORE_GLOBAL": ("changes the global name '{}'", "Return what was computed; two rows must not know of one another."),
    "DELETE_GLOBAL": ("deletes the global name '{}'", "Return what was computed."),
    "STORE_ATTR": ("sets the attribute '{}'", "Return what was computed, and change nothing else."),
    "DELETE_ATTR": ("deletes the attribute '{}'", "Return what was computed, and change nothing else."),
    "LOAD_BUILD_CLASS": ("defines a class", "Write it with functions."),
}
_ATTRIBUTES = ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR")
_NAMES = ("LOAD_GLOBAL", "LOAD_NAME")


@dataclass(frozen=True, slots=True)
class PureFunction:
    """A function that was seen to be pure.

    Attributes:
        function: a copy that has what was checked for its globals, so that nothing else takes its place later.
        sha256: of its code, of the functions that it calls, and of the constants that they use.
        makes_times: whether it may turn what it reads into times, as numpy does with the text `now`.
    """

    function: FunctionType
    sha256: str
    makes_times: bool


def pure(function: Callable[..., Any], what: str) -> PureFunction:
    """Sees that a function, and those that it calls, use numpy, math, constants and one another, and nothing else.

    Args:
        function: a function that was written with `def`.
        what: it is of, for the error.

    Raises:
        DefinitionError: it is not; the error names what is refused, the line, and what to do.
    """
    check = _Check(what)
    copy = check.function(function)
    # In which order names are come across differs between versions of Python.
    return PureFunction(copy, hashlib.sha256("\n".join(sorted(check.said)).encode()).hexdigest(), check.makes_times)


class _Check:
    """One function and all that it uses. `said` is what they are, for the hash."""

    def __init__(self, what: str) -> None:
        self.what, self.makes_times = what, False
        self.said: set[str] = set()
        self._copies: dict[Any, FunctionType] = {}
        self._function, self._where = "", ""

    def function(self, function: Any) -> FunctionType:
        """The copy of a function."""
        if function not in self._copies:
            self._written_with_def(function)
            cells = [CellType() for _ in function.__closure__ or ()]
            within: dict[str, Any] = {"__name__": function.__module__, "__builtins__": _BUILTINS}
            copy = FunctionType(function.__code__, within, function.__name__, function.__defaults__, tuple(cells))
            copy.__qualname__, copy.__doc__ = function.__qualname__, function.__doc__
            copy.__kwdefaults__ = function.__kwdefaults__
            self._copies[function] = copy
            self._fill(function, within, cells)
        return self._copies[function]

    def _written_with_def(self, function: Any) -> None:
        if not isinstance(function, FunctionType) or hasattr(function, "__wrapped__") or function.__name__ == "<lambda>":
            name = getattr(function, "__qualname__", repr(function))
            self._refuse(f"is made by '{name}', which is not a function as it was written", "Write it with def, undecorated.")
        text = code_text(function)
        if text is None:
            self._refuse(f"is made by '{function.__qualname__}', whose source cannot be read", "Define it in a file.")
        self.said.add(text)

    def _fill(self, function: FunctionType, within: dict[str, Any], cells: list[CellType]) -> None:
        """Checks all that a function's code names, and gives it to the copy."""
        code, self._function = function.__code__, function.__qualname__
        self._at(code, code.co_firstlineno)
        defaults = dict(enumerate(function.__defaults__ or ())) | dict(function.__kwdefaults__ or {})
        for key, value in defaults.items():
            if not allowed.is_constant(value):
                self._refuse(f"has the default {value!r} (argument {key}), which can change", "Make it a constant.")
            self._constant(value)
            self._say(f"default {key} = {allowed.written(value)}")
        closed = {}
        for name, cell, own in zip(code.co_freevars, cells, function.__closure__ or (), strict=True):
            closed[name] = self._closed_over(name, own)
            cell.cell_contents = self._usable(name, closed[name])
        for one in _codes(code):
            self._code(one, function.__globals__, closed, within)

    def _closed_over(self, name: str, cell: CellType) -> Any:
        try:
            return cell.cell_contents
        except ValueError:
            self._refuse(f"uses '{name}' of the function around it, which has no value yet", "Define it above.")

    def _code(self, code: CodeType, outside: Mapping[str, Any], closed: Mapping[str, Any], within: dict[str, Any]) -> None:
        self._at(code, code.co_firstlineno)
        if code.co_flags & _GENERATORS and code.co_name != "<genexpr>":
            self._refuse(f"has '{code.co_name}', a generator or an async function", "Return an array.")
        for constant in code.co_consts:
            self._constant(constant)
        last: Any = _NOTHING  # what the instruction before has put on the stack, where that is known
        for step in dis.get_instructions(code):
            if step.opname == "EXTENDED_ARG":
                continue
            self._at(code, step.positions.lineno if step.positions else None)
            self._harmless(step, code)
            name, last, before = str(step.argval), _NOTHING, last
            if step.opname in _NAMES:
                last = self._global(name, outside)
                within[name] = self._usable(name, last)
            elif step.opname == "LOAD_DEREF":
                last = closed.get(name, _NOTHING)
            elif step.opname in _ATTRIBUTES:
                last = self._attribute(name, before)

    def _harmless(self, step: dis.Instruction, code: CodeType) -> None:
        if step.opname in _STEPS:
            what, instead = _STEPS[step.opname]
            self._refuse(what.format(step.argval), instead)
        if step.opname in ("STORE_DEREF", "DELETE_DEREF") and step.argval in code.co_freevars:
            self._refuse(f"changes '{step.argval}' of the function around it", "Return what was computed.")

    def _constant(self, value: Any) -> None:
        """A constant, be it written within the function or outside."""
        for text in allowed.texts(value):
            if allowed.is_clock(text):
                self._refuse(f"holds the text {text!r}, which numpy reads from the clock", allowed.CLOCK_STEP)
            self.makes_times |= allowed.is_time_dtype(text)

    def _global(self, name: str, outside: Mapping[str, Any]) -> Any:
        if name in outside:
            return outside[name]
        if name in allowed.BUILTINS:
            return getattr(builtins, name)
        if not hasattr(builtins, name):
            self._refuse(f"uses '{name}', which is not defined", "Define it above the function.")
        return getattr(builtins, name)  # which is refused, see _usable

    def _usable(self, name: str, value: Any) -> Any:
        """What stands for a value from outside in the copy: itself, or the copy of a function."""
        known = getattr(value, "pure", None)
        if isinstance(known, PureFunction):
            self.makes_times |= known.makes_times
            self._say(f"{name} = {known.sha256}")
            return known.function
        if allowed.is_constant(value):
            self._constant(value)
            self._say(f"{name} = {allowed.written(value)}")
            return value
        if isinstance(value, FunctionType):
            self._say(f"{name} is {value.__qualname__}")
            here = self._function, self._where
            copy = self.function(value)
            self._function, self._where = here
            return copy
        self._library(name, value)
        self._say(f"{name} is {getattr(value, '__name__', name)}")
        return value

    def _library(self, name: str, value: Any) -> None:
        """Sees that a value belongs to numpy, math or the built-in names that only compute."""
        if value is math or value is np or allowed.is_builtin(value):
            return
        if isinstance(value, ModuleType):
            if value.__name__ not in allowed.PARTS:
                self._refuse(f"uses the module '{value.__name__}'", allowed.step_for(name, value))
            return
        of = allowed.origin(value)
        if of is None:
            self._refuse(f"uses '{name}', {allowed.described(value)}", allowed.step_for(name, value))
        elif of is np:
            self._of_numpy(value.__name__, value)

    def _attribute(self, name: str, of: Any) -> Any:
        """What an attribute gives, where it is known of what it is."""
        if name.startswith("_"):
            self._refuse(f"uses the attribute '{name}'", "Names that begin with an underscore are not for use.")
        if not isinstance(of, ModuleType):
            self.makes_times |= name == "dtype"  # which may be that of a time
            if name not in allowed.ATTRIBUTES:
                self._refuse(f"uses the attribute '{name}', which is none of arrays, numbers or texts", allowed.step_for(name, of))
            return _NOTHING
        value = getattr(of, name) if name in dir(of) else _NOTHING
        if value is _NOTHING:
            self._refuse(f"uses '{of.__name__}.{name}', which is not there", "See the documentation of numpy and math.")
        if of is np:
            self._of_numpy(name, value)
        if isinstance(value, ModuleType):
            self._library(name, value)
        return value

    def _of_numpy(self, name: str, value: Any) -> None:
        if name in allowed.NOT_OF_NUMPY:
            self._refuse(f"uses numpy.{name}, which {allowed.NOT_OF_NUMPY[name]}", allowed.step_for(name, value))
        self.makes_times |= value is np.datetime64

    def _say(self, what: str) -> None:
        self.said.add(f"{self._function}: {what}")

    def _at(self, code: CodeType, line: int | None) -> None:
        self._where = f"{Path(code.co_filename).name}, line {line or code.co_firstlineno}"

    def _refuse(self, what: str, step: str) -> NoReturn:
        where = f" ({self._where})" if self._where else ""
        raise DefinitionError(f"{self.what} {what}{where}.", next_step=step)


def _codes(code: CodeType) -> Iterator[CodeType]:
    """The code of a function and of those that are defined in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
