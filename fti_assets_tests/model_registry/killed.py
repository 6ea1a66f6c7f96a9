"""Changes of a registry in processes that are killed right after a call of MLflow's client.

The processes are forked from a server that has imported what takes long, and has opened no store.
"""

from __future__ import annotations

import os
from multiprocessing import get_context

from fti_assets.model_registry import ModelRegistry

from .examples import make_contract, make_record

_FORKS = get_context("forkserver")
_FORKS.set_forkserver_preload(
    [
        __name__,
        "mlflow.pyfunc",
        "mlflow.store.model_registry.sqlalchemy_store",
        "mlflow.store.tracking.sqlalchemy_store",
        "xgboost",
    ]
)


def train(registry, name, tags):
    registry.log_training(make_contract(name), make_record(tags=tags))


def promote(registry, name, version):
    registry.promote(name, version, reason="killed", figures={})


def hold_lock(registry, name):
    with registry._lock.hold(name, "promoting"):
        os.kill(os.getpid(), 9)


def killed_in(change, registry, *given, after=None):
    """Runs `change` in a process that is killed when a call of the client is done.

    Args:
        change: a function of this module.
        registry: in whose store.
        given: to the function, after the registry.
        after: a method of the client, and how one of its arguments begins; any call of it when that is left out.
    """
    process = _FORKS.Process(target=_change, args=(change, registry.tracking_uri, given, after))
    process.start()
    process.join(120)
    assert process.exitcode == -9


def _change(change, tracking_uri, given, after):
    registry = ModelRegistry(tracking_uri)
    if after:
        method, *beginning = after
        setattr(registry._client, method, _deadly(getattr(registry._client, method), *beginning))
    change(registry, *given)


def _deadly(method, beginning=""):
    def call(*args, **given):
        method(*args, **given)
        if not beginning or any(str(one).startswith(beginning) for one in args[1:]):
            os.kill(os.getpid(), 9)

    return call
