"""Asks the registry by a process of its own, which imports MLflow, answers, and ends. See `fetching`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from fti_assets.model_registry.pointers import RegistryUnreachableError
from fti_assets.serving.errors import ServingError

SECONDS = 300.0
"""That an answer may take."""


class RegistryProcess:
    """Starts a process for each question.

    Args:
        tracking_uri: of the registry.
        is_stopped: asked while it runs; when it says so, the process is ended.
    """

    def __init__(self, tracking_uri: str, *, is_stopped: Callable[[], bool]) -> None:
        self._tracking_uri, self._is_stopped = tracking_uri, is_stopped

    def ask(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The answer.

        Raises:
            RegistryUnreachableError: the registry does not answer.
            ServingError: it answers that it cannot; the error says why.
        """
        with subprocess.Popen(
            [sys.executable, "-m", "fti_assets.serving.fetching"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # A registry that is away is asked again at the next look, not for minutes by this process.
            env={"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", **os.environ, "OMP_NUM_THREADS": "1"},
        ) as process:
            told, complained = self._talk(process, json.dumps({"tracking_uri": self._tracking_uri, **asked}).encode())
        try:
            said = json.loads(told.strip().splitlines()[-1])
        except (IndexError, ValueError):
            last = "".join(complained.decode(errors="replace").strip().splitlines()[-1:])
            raise ServingError(f"Fetching from the registry ended with {process.returncode}: {last[:500]}") from None
        if said.get("kind") == "unreachable":
            raise RegistryUnreachableError(f"The model registry cannot be read: {said['error']}")
        if "error" in said:
            raise ServingError(said["error"])
        return dict(said)

    def _talk(self, process: subprocess.Popen[bytes], asked: bytes | None) -> tuple[bytes, bytes]:
        until = time.monotonic() + SECONDS
        while True:
            try:
                return process.communicate(asked, timeout=0.2)
            except subprocess.TimeoutExpired:
                asked = None  # it is sent already
                if self._is_stopped() or time.monotonic() > until:
                    process.kill()
                    process.communicate()
                    raise ServingError(f"Fetching from the registry was ended after {SECONDS:.0f} s, or by a stop.") from None
