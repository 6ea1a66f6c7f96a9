"""What on-demand functions may use, and every way to a clock, a file or a secret that was thought of."""

import functools
import importlib
import math
import math as mathematics
import os
import subprocess
import sys
import textwrap
import time
from datetime import datetime, timedelta
from math import floor
from pathlib import Path

import numpy as np
import numpy as numbers
import pytest
from numpy import char
from numpy import where as either

from fti_assets.errors import DefinitionError
from fti_assets.vocabulary import Feature, on_demand
from fti_assets.vocabulary.purity import pure
from fti_assets_tests.vocabulary import impure

LIMIT = 3
NAMES = ("UA", "AA")
KNOWN = frozenset({"UA", "AA", 1, (2, 3)})
HOUR = timedelta(hours=1)
START = np.datetime64("2013-01-01")
CLOCK_STEP = "Read REQUEST_TIME instead"
COMPUTES = "Use numpy, math, constants, and functions of these."
REFUSED = [
    (impure.datetime_now, "uses 'dt', a type", COMPUTES),
    (impure.datetime_module, "uses the module 'datetime'", CLOCK_STEP),
    (impure.time_module, "uses the module 'time'", CLOCK_STEP),
    (impure.time_function, "uses 'seconds', a builtin_function_or_method", COMPUTES),
    (impure.numpy_now, "holds the text 'now', which numpy reads from the clock", CLOCK_STEP),
    (impure.numpy_today_with_a_unit, "holds the text 'Today'", CLOCK_STEP),
    (impure.numpy_now_under_another_name, "holds the text 'NOW'", CLOCK_STEP),
    (impure.numpy_now_in_bytes, "holds the text 'now'", CLOCK_STEP),
    (impure.numpy_now_as_an_array, "holds the text 'now'", CLOCK_STEP),
    (impure.numpy_now_in_a_list, "holds the text 'now'", CLOCK_STEP),
    (impure.numpy_now_put_into_an_array, "holds the text 'now'", CLOCK_STEP),
    (impure.numpy_now_joined_by_the_compiler, "holds the text 'now'", CLOCK_STEP),
    (impure.numpy_now_in_a_nested_function, "holds the text 'now'", CLOCK_STEP),
    (impure.now_of_the_module, "holds the text 'now'", CLOCK_STEP),
    (impure.now_in_a_tuple_of_the_module, "holds the text 'Today'", CLOCK_STEP),
    (impure.now_as_a_default, "holds the text 'now'", CLOCK_STEP),
    (impure.clock_behind_an_attribute, "uses 'CLOCK', a SimpleNamespace", COMPUTES),
    (impure.clock_of_an_argument, "uses the attribute 'now'", CLOCK_STEP),
    (impure.today_of_an_argument, "uses the attribute 'today'", CLOCK_STEP),
    (impure.clock_in_a_called_function, "uses the module 'time'", CLOCK_STEP),
    (impure.import_within, "imports time", "Import numpy or math at the top of the module"),
    (impure.import_from_within, "imports time", "Import numpy or math"),
    (impure.import_in_a_lambda, "uses '__import__', a built-in that does more than compute", COMPUTES),
    (impure.built_in_import, "uses '__import__', a built-in", COMPUTES),
    (impure.built_in_eval, "uses 'eval', a built-in", COMPUTES),
    (impure.built_in_exec, "uses 'exec', a built-in", COMPUTES),
    (impure.built_in_getattr, "uses 'getattr', a built-in", COMPUTES),
    (impure.built_in_globals, "uses 'globals', a built-in", COMPUTES),
    (impure.built_in_vars, "uses 'vars', a built-in", COMPUTES),
    (impure.built_in_open, "uses 'open'", COMPUTES),
    (impure.built_in_print, "uses 'print', a built-in", COMPUTES),
    (impure.built_in_input, "uses 'input', a built-in", COMPUTES),
    (impure.built_in_id, "uses 'id', a built-in", COMPUTES),
    (impure.built_in_hash, "uses 'hash', a built-in", COMPUTES),
    (impure.built_in_type, "uses 'type', a built-in", COMPUTES),
    (impure.builtins_module, "uses the module 'builtins'", COMPUTES),
    (impure.dunder_attribute, "uses the attribute '__class__'", "underscore"),
    (impure.dunder_dict_of_numpy, "uses the attribute '__dict__'", "underscore"),
    (impure.dunder_builtins, "uses '__builtins__', a dict", "tuple of pairs"),
    (impure.attribute_by_format, "uses the attribute 'format'", COMPUTES),
    (impure.numpy_load, "uses numpy.load, which reads or writes files", COMPUTES),
    (impure.numpy_save, "uses numpy.save, which reads or writes files", COMPUTES),
    (impure.numpy_memmap, "uses numpy.memmap, which reads or writes files", COMPUTES),
    (impure.numpy_fromfile, "uses numpy.fromfile, which reads or writes files", COMPUTES),
    (impure.numpy_loadtxt_under_another_name, "uses numpy.loadtxt", COMPUTES),
    (impure.numpy_through_a_variable, "uses the attribute 'load'", COMPUTES),
    (impure.numpy_lib, "uses the module 'numpy.lib'", COMPUTES),
    (impure.numpy_testing, "uses the module 'numpy.testing'", COMPUTES),
    (impure.numpy_ctypeslib, "uses the module 'numpy.ctypeslib'", COMPUTES),
    (impure.numpy_random, "uses numpy.random, which gives other values each time", COMPUTES),
    (impure.numpy_random_imported, "uses 'default_rng'", COMPUTES),
    (impure.python_random, "uses 'RANDOM', a Random", COMPUTES),
    (impure.numpy_empty, "uses numpy.empty, which holds whatever was in memory", "np.zeros"),
    (impure.numpy_empty_like, "uses numpy.empty_like, which holds", "np.zeros"),
    (impure.numpy_error_state, "uses numpy.seterr, which reaches beyond", COMPUTES),
    (impure.numpy_frames, "uses numpy.bmat, which reaches beyond", COMPUTES),
    (impure.local_time_zone, "uses numpy.datetime_as_string, which depends on the machine", COMPUTES),
    (impure.tofile, "uses the attribute 'tofile'", COMPUTES),
    (impure.dump, "uses the attribute 'dump'", COMPUTES),
    (impure.memory, "uses the attribute 'ctypes'", COMPUTES),
    (impure.environment, "uses the module 'os'", COMPUTES),
    (impure.file_system, "uses the module 'pathlib'", COMPUTES),
    (impure.named_as_one_of_numpy, "uses 'add', a builtin_function_or_method", COMPUTES),
    (impure.copies_a_file, "uses the module 'os' (shutil.py, line", COMPUTES),
    (impure.network, "uses the module 'socket'", "comes with the request"),
    (impure.system, "uses the module 'sys'", COMPUTES),
    (impure.dynamic_import, "uses the module 'importlib'", COMPUTES),
    (impure.logger, "uses 'LOG', a Logger", COMPUTES),
    (impure.context, "uses the module 'contextlib'", COMPUTES),
    (impure.dictionary, "uses 'TABLE', a dict, which can change", "tuple of pairs"),
    (impure.mapping_proxy, "uses 'TYPES', a mappingproxy", COMPUTES),
    (impure.list_of_the_module, "uses 'LIST', a list, which can change", "tuple"),
    (impure.array_of_the_module, "uses 'ARRAY', a ndarray, which can change", "tuple"),
    (impure.class_of_the_module, "uses 'Meter', a type", COMPUTES),
    (impure.method, "uses 'METHOD'", COMPUTES),
    (impure.global_name, "changes the global name 'counter'", "Return what was computed"),
    (impure.nonlocal_name, "changes 'count' of the function around it", "Return what was computed"),
    (impure.attribute_set, "sets the attribute 'shape'", "change nothing else"),
    (impure.class_within, "defines a class", "functions"),
    (impure.generator, "has 'generator', a generator or an async function", "Return an array"),
    (impure.generator_within, "has 'inner', a generator or an async function", "Return an array"),
    (impure.coroutine, "has 'coroutine', a generator or an async function", "Return an array"),
    (impure.not_defined, "uses 'nowhere', which is not defined", "Define it above"),
    (impure.partial_of_the_module, "uses 'PARTIAL', a partial", COMPUTES),
]


@pytest.mark.parametrize(("function", "what", "step"), [pytest.param(*case, id=case[0].__name__) for case in REFUSED])
def test_refused(function, what, step):
    with pytest.raises(DefinitionError) as refused:
        pure(function, "On-demand feature 'x'")

    said = str(refused.value)
    assert said.startswith("On-demand feature 'x' "), said
    assert what in said
    assert step in refused.value.next_step


def test_an_error_names_file_and_line():
    line = impure.time_module.__code__.co_firstlineno + 1

    with pytest.raises(DefinitionError, match=rf"uses the module 'time' \(impure.py, line {line}\)"):
        pure(impure.clock_in_a_called_function, "x")


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(lambda x: x, id="lambda"),
        pytest.param(functools.partial(pow, 2), id="partial"),
        pytest.param(len, id="built_in"),
        pytest.param(impure.Meter, id="class"),
        pytest.param(impure.Meter().read.__class__, id="type"),
        pytest.param(functools.wraps(impure.datetime_now)(lambda x: x), id="wrapped"),
        pytest.param(np.vectorize(math.floor), id="vectorised"),
    ],
)
def test_only_functions_as_they_were_written(made):
    with pytest.raises(DefinitionError, match="which is not a function as it was written"):
        pure(made, "x")


def test_a_function_without_source():
    space = {}
    exec("def f(x): return x", space)

    with pytest.raises(DefinitionError, match=r"whose source cannot be read.* Define it in a file"):
        pure(space["f"], "x")


@pytest.mark.parametrize(
    ("held", "what"),
    [
        pytest.param([1], "uses 'held', a list, which can change", id="list"),
        pytest.param({"a": 1}, "uses 'held', a dict, which can change", id="dict"),
        pytest.param(datetime.now, "uses 'held', a builtin_function_or_method", id="clock"),
        pytest.param(time, "uses the module 'time'", id="module"),
        pytest.param("now", "holds the text 'now'", id="the_text_now"),
    ],
)
def test_closures_hold_constants_only(held, what):
    def closed(x):
        return x + held

    with pytest.raises(DefinitionError, match=what):
        pure(closed, "x")


def test_a_closure_without_a_value_yet():
    def closed(x):
        return x + later

    with pytest.raises(DefinitionError, match="uses 'later' of the function around it, which has no value yet"):
        pure(closed, "x")
    later = 1


def test_mutable_defaults():
    def helper(x, seen=[]):  # noqa: B006
        return x

    def calls(x):
        return helper(x)

    with pytest.raises(DefinitionError, match=r"has the default \[\] \(argument 0\), which can change"):
        pure(calls, "x")


# What is allowed


def twice(x, factor=2):
    return factor * x


def even(n):
    return n == 0 or odd(n - 1)


def odd(n):
    return n != 0 and even(n - 1)


@on_demand(Feature("half", "float"), reads=("x",))
def half(x):
    return x / 2


def allowed(x):
    def inner(y):
        return [shift + one for one in y]

    shift = mathematics.pi * LIMIT + floor(math.e)
    table = dict(zip(NAMES, (1.0, 2.0), strict=True))
    total = sum(table[name] for name in NAMES if name in KNOWN)
    found = np.array(inner(x.tolist())) + half(twice(x)) + HOUR.total_seconds() + total
    found[np.isnan(found)] = 0.0
    long = (x.astype("M8[D]") - START) / np.timedelta64(1, "D")
    words = char.add(np.array(["a"]), "b")
    return either(found > 0, numbers.linalg.norm(found), np.add.reduce(long)) + len(words) + (1 if even(4) else 0)


def test_allowed():
    x = np.array([1.0, 2.0])

    seen = pure(allowed, "x")

    assert seen.function(x).tolist() == allowed(x).tolist()
    assert seen.makes_times


@pytest.mark.parametrize(
    ("function", "makes"),
    [pytest.param(twice, False, id="no"), pytest.param(even, False, id="recursion"), pytest.param(allowed, True, id="dtype")],
)
def test_functions_that_may_make_times_are_known(function, makes):
    assert pure(function, "x").makes_times is makes


def test_closures_of_constants_and_pure_functions():
    factor = 3

    def closed(x):
        return (lambda: factor * twice(x))() + np.zeros(len(x))

    assert pure(closed, "x").function(np.array([1.0])).tolist() == [6.0]


# What was checked stays


def limited(x):
    return np.minimum(x, LIMIT) + twice(x)


def test_what_is_changed_later_does_not_count(monkeypatch):
    seen = pure(limited, "x")

    monkeypatch.setattr(sys.modules[__name__], "LIMIT", 100)
    monkeypatch.setattr(sys.modules[__name__], "twice", impure.time_module)
    monkeypatch.setattr(sys.modules[__name__], "np", None)

    assert seen.function(numbers.array([5.0])).tolist() == [13.0]


# The hash

TEXT = '''
import numpy as np
LIMIT = 3

def helper(x):
    return x + 1

def f(x):
    """Says."""
    return np.minimum(helper(x), LIMIT)  # and why
'''


def sha256(folder, text):
    name = f"hashed_{len(list(folder.iterdir()))}"
    (folder / f"{name}.py").write_text(textwrap.dedent(text))
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return pure(module.f, "x").sha256


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        pytest.param("  # and why", "", True, id="comment"),
        pytest.param("Says.", "Says something else.", True, id="docstring"),
        pytest.param('    """Says."""\n', "", True, id="no_docstring"),
        pytest.param("helper(x), LIMIT", "\n        helper(x),\n        LIMIT\n    ", True, id="formatting"),
        pytest.param("def f(x):", "def f(x: np.ndarray) -> 'np.ndarray':", True, id="annotations"),
        pytest.param("def helper", "\n\ndef other(x): return x\n\n\ndef helper", True, id="another_function"),
        pytest.param("import numpy as np", "import numpy as np, math", True, id="another_import"),
        pytest.param("LIMIT = 3", "LIMIT = 4", False, id="constant"),
        pytest.param("LIMIT = 3", "LIMIT = 3.0", False, id="type_of_a_constant"),
        pytest.param("x + 1", "x + 2", False, id="called_function"),
        pytest.param("return np.minimum(helper(x), LIMIT)", "return np.minimum(helper(LIMIT), x)", False, id="arguments"),
        pytest.param("np.minimum", "np.maximum", False, id="code"),
    ],
)
def test_the_hash_is_of_what_is_computed(tmp_path, old, new, same):
    assert old in TEXT

    assert (sha256(tmp_path, TEXT) == sha256(tmp_path, TEXT.replace(old, new))) is same


def test_the_hash_does_not_depend_on_the_process(tmp_path):
    (tmp_path / "hashed.py").write_text("NAMES = frozenset({'a', 'b', 'c', 1, (2, 'd')})\ndef f(x):\n    return x in NAMES\n")
    code = "import hashed; from fti_assets.vocabulary.purity import pure; print(pure(hashed.f, 'x').sha256)"
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": f"{tmp_path}:{Path.cwd()}"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2", "3")
    }

    assert len(found) == 1
