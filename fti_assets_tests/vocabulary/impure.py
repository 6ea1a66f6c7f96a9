"""Functions that reach beyond their arguments, each by a way of its own."""

# ruff: noqa

import builtins
import contextlib
import datetime
import functools
import importlib
import logging
import os
import pathlib
import random
import socket
import sys
import time
from datetime import datetime as dt
from operator import add
from shutil import copy
from time import time as seconds
from types import MappingProxyType, SimpleNamespace

import numpy as np
import numpy as numbers
from numpy import datetime64 as instant
from numpy.random import default_rng

NOW = "now"
WORDS = ("then", ("Today ",))
TABLE = {"UA": 1}
LIST = [1]
ARRAY = np.array([1.0])
TYPES = MappingProxyType({"a": 1})
CLOCK = SimpleNamespace(time=time.time)
RANDOM = random.Random(1)
LOG = logging.getLogger(__name__)
counter = 0


class Meter:
    @staticmethod
    def read(x):
        return x


def datetime_now(x):
    return x + dt.now().hour


def datetime_module(x):
    return x + datetime.datetime.now().hour


def time_module(x):
    return x + time.time()


def time_function(x):
    return x + seconds()


def numpy_now(x):
    return np.datetime64("now") - x


def numpy_today_with_a_unit(x):
    return np.datetime64("Today", "D") - x


def numpy_now_under_another_name(x):
    return instant(" NOW ") - x


def numpy_now_in_bytes(x):
    return np.array([b"now"]).astype("M8[s]") - x


def numpy_now_as_an_array(x):
    return np.array("now", "M8[s]") - x


def numpy_now_in_a_list(x):
    return np.asarray(["2013-01-01", "now"], dtype="datetime64[s]") - x


def numpy_now_put_into_an_array(x):
    times = x.copy()
    times[:] = "now"
    return times


def numpy_now_joined_by_the_compiler(x):
    return np.datetime64("no" + "w") - x


def numpy_now_in_a_nested_function(x):
    def inner():
        return np.datetime64("now")

    return inner() - x


def now_of_the_module(x):
    return np.datetime64(NOW) - x


def now_in_a_tuple_of_the_module(x):
    return np.datetime64(WORDS[1][0]) - x


def now_as_a_default(x):
    return _later(x)


def _later(x, word="now"):
    return np.datetime64(word) - x


def clock_behind_an_attribute(x):
    return x + CLOCK.time()


def clock_of_an_argument(x):
    return x.now()


def today_of_an_argument(x):
    return x.item(0).today()


def clock_in_a_called_function(x):
    return _calls(x)


def _calls(x):
    return time_module(x)


def import_within(x):
    import time

    return x + time.time()


def import_from_within(x):
    from time import time

    return x + time()


def import_in_a_lambda(x):
    return (lambda: __import__("time").time())() + x


def built_in_import(x):
    return __import__("time").time() + x


def built_in_eval(x):
    return eval("1") + x


def built_in_exec(x):
    exec("y = 1")
    return x


def built_in_getattr(x):
    return getattr(np, "load")(x)


def built_in_globals(x):
    return globals()["time"].time() + x


def built_in_vars(x):
    return vars(np)["load"](x)


def built_in_open(x):
    return x + len(open("/etc/hostname").read())


def built_in_print(x):
    print(x)
    return x


def built_in_input(x):
    return x + float(input())


def built_in_id(x):
    return x + id(x)


def built_in_hash(x):
    return x + hash("a")  # another one in each process


def built_in_type(x):
    return type(x)(1)


def builtins_module(x):
    return builtins.open(x)


def dunder_attribute(x):
    return x.__class__.__base__


def dunder_dict_of_numpy(x):
    return np.__dict__["load"](x)


def dunder_builtins(x):
    return __builtins__["open"](x)


def attribute_by_format(x):
    return "{0.__class__}".format(x)


def numpy_load(x):
    return np.load("file.npy") + x


def numpy_save(x):
    np.save("file.npy", x)
    return x


def numpy_memmap(x):
    return np.memmap("file", dtype=float) + x


def numpy_fromfile(x):
    return np.fromfile("file") + x


def numpy_loadtxt_under_another_name(x):
    return numbers.loadtxt("file") + x


def numpy_through_a_variable(x):
    module = np
    return module.load("file") + x


def numpy_lib(x):
    return np.lib.npyio.NpzFile(x)


def numpy_testing(x):
    return np.testing.measure("x") + x


def numpy_ctypeslib(x):
    return np.ctypeslib.load_library("c", ".") + x


def numpy_random(x):
    return x + np.random.rand(len(x))


def numpy_random_imported(x):
    return x + default_rng().random()


def python_random(x):
    return x + RANDOM.random()


def numpy_empty(x):
    return np.empty(len(x))


def numpy_empty_like(x):
    return np.empty_like(x)


def numpy_error_state(x):
    np.seterr(all="raise")
    return x


def numpy_frames(x):
    return np.bmat("x, x")


def local_time_zone(x):
    return np.datetime_as_string(x, timezone="local")


def tofile(x):
    x.tofile("file")
    return x


def dump(x):
    x.dump("file")
    return x


def memory(x):
    return x.ctypes.data


def environment(x):
    return x + len(os.environ)


def file_system(x):
    return x + len(pathlib.Path("/").name)


def named_as_one_of_numpy(x):
    return add(x, 1)


def copies_a_file(x):
    copy("here", "there")
    return x


def network(x):
    return socket.gethostname()


def system(x):
    return x + len(sys.argv)


def dynamic_import(x):
    return importlib.import_module("time").time() + x


def logger(x):
    LOG.info("x")
    return x


def context(x):
    with contextlib.suppress(ValueError):
        return x


def dictionary(x):
    return x + TABLE["UA"]


def mapping_proxy(x):
    return x + TYPES["a"]


def list_of_the_module(x):
    return x + LIST[0]


def array_of_the_module(x):
    return x + ARRAY


def class_of_the_module(x):
    return Meter.read(x)


def method(x):
    return x + METHOD(x)


METHOD = "text".encode


def global_name(x):
    global counter
    counter += 1
    return x


def nonlocal_name(x):
    count = 0

    def inner():
        nonlocal count
        count += 1
        return count

    return x + inner()


def attribute_set(x):
    x.shape = (1, 1)
    return x


def class_within(x):
    class Within:
        pass

    return x


def generator(x):
    yield x


def generator_within(x):
    def inner():
        yield 1

    return x + sum(inner())


async def coroutine(x):
    return x


def not_defined(x):
    return x + nowhere  # noqa: F821


def partial_of_the_module(x):
    return PARTIAL(x)


PARTIAL = functools.partial(pow, 2)
