"""How a server is asked, and what its answers say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Task = Literal["predict", "lookup", "constant"]
PREDICTED, LOOKED_UP = (1, 10, 100), (1, 10, 100, 500)
"""Entities that are asked for at once."""


@dataclass(frozen=True, slots=True)
class Question:
    """One way to ask a server.

    Attributes:
        body: what is sent for some accounts.
        values: what an answer says of each of them: the prediction, or the values by feature.
        rows: numbers of accounts that are asked for at once.
    """

    task: Task
    path: str
    body: Callable[[Sequence[int]], bytes]
    values: Callable[[Any], list[Any]]
    rows: tuple[int, ...]
