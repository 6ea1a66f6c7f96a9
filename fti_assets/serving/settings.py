"""How a server serves: limits, how traffic is split, how often it looks for a new champion, and what its log may take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from fti_assets.errors import not_found
from fti_assets.serving.errors import ServingError

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What is refused rather than answered late.

    Attributes:
        body_bytes: of a request.
        rows: of a request.
        explained_rows: of a request that asks for reasons. With 0 nothing is explained, and XGBoost is never imported.
        seconds: that a request may take as a whole, its arrival included.
        waiting: requests that may be in the server at once; the next one is told at once to come again.
        waiting_seconds: that a request may wait for a thread.
        threads: that work on what takes longer than a moment: many rows, and reasons.
        waiting_threads: in place of those, where the online store is not on this machine and every request waits for it.
        closing_seconds: that requests in the server have to be answered when it is stopped.
    """

    body_bytes: int = 4 * 2**20
    rows: int = 1_000
    explained_rows: int = 20
    seconds: float = 10.0
    waiting: int = 512
    waiting_seconds: float = 1.0
    threads: int = 2
    waiting_threads: int = 32
    closing_seconds: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLimits:
    """What the inference log may take.

    Attributes:
        segment_bytes: after which a segment is closed, so that it can be landed.
        segment_seconds: the same, by age.
        disk_bytes: of all segments of a model that were not landed yet; what comes then is dropped and counted.
        memory_bytes: of what was not written yet; likewise.
    """

    segment_bytes: int = 16 * 2**20
    segment_seconds: float = 30.0
    disk_bytes: int = 2 * 2**30
    memory_bytes: int = 64 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a server serves.

    Attributes:
        poll_seconds: after which it looks again whether there is another champion.
        challenger_share: of entities that the challenger answers for, from 0 to 1; the same entity always gets the same one.
        shadow: whether the challenger scores what the champion answers as well, into the log only.
        clock: the present, for requests that give no time; None is the real clock or, where the calendar of the model has ended,
            the newest event in the online store.
        limits: see `Limits`.
        log: see `LogLimits`.
    """

    poll_seconds: float = 5.0
    challenger_share: float = 0.0
    shadow: bool = False
    clock: datetime | None = None
    limits: Limits = field(default_factory=Limits)
    log: LogLimits = field(default_factory=LogLimits)

    def __post_init__(self) -> None:
        if not 0 <= self.challenger_share <= 1:
            raise ServingError(f"The challenger's share is {self.challenger_share}.", next_step="Give a share from 0 to 1.")
        if self.poll_seconds < 0.05:
            raise ServingError(f"The registry is to be asked every {self.poll_seconds} s.", next_step="Give 0.05 or more.")
        if self.clock is not None and self.clock.tzinfo is None:
            raise ServingError(f"The clock {self.clock} has no zone.", next_step="Write it as 2013-06-01T15:00:00Z.")


def read_settings(file: Path) -> Settings:
    """The settings in a YAML file: the names of `Settings`, and under `limits` and `log` those of `Limits` and `LogLimits`.

    Raises:
        ServingError: it is not there, or not written so.
        NotFoundError: it holds a name that is none of a setting.
    """
    import yaml  # type: ignore[import-untyped]

    try:
        said = yaml.safe_load(file.read_text()) or {}
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ServingError(f"The settings in {file} cannot be read: {error}") from error
    return settings_of(said, f"{file}")


def settings_of(said: Any, where: str, kind: type[_T] = Settings) -> _T:  # type: ignore[assignment]
    """Settings from names and values; `where` says in errors where they stand.

    Raises:
        ServingError, NotFoundError: see `read_settings`.
    """
    if not isinstance(said, Mapping):
        raise ServingError(f"The settings in {where} are no names and values: {said!r:.60}")
    hints, known = get_type_hints(kind), {one.name for one in fields(kind)}  # type: ignore[arg-type]
    given: dict[str, Any] = {}
    for name, value in said.items():
        if name not in known:
            raise not_found("Setting", str(name), known, where=where)
        given[name] = _value(value, hints[name], f"{where}: {name}")
    return kind(**given)


def _value(value: Any, wanted: Any, where: str) -> Any:
    if is_dataclass(wanted):
        return settings_of(value, where, wanted)  # type: ignore[arg-type]
    if wanted is float and type(value) is int:
        return float(value)
    if wanted in (int, float, bool) and type(value) is wanted and (wanted is bool or value >= 0):
        return value
    if wanted == datetime | None:
        return parsed_time(value)
    kinds = {int: "a whole number from 0 on", float: "a number from 0 on", bool: "true or false"}
    raise ServingError(f"{where} is {value!r:.60}.", next_step=f"Give {kinds[wanted]}.")


def parsed_time(value: datetime | str | None) -> datetime | None:
    """An instant as people write it, `2013-06-01T15:00:00Z`.

    Raises:
        ServingError: it is none.
    """
    if value is None or isinstance(value, datetime):
        return value
    try:
        return datetime.fromisoformat(str(value))
    except ValueError as error:
        raise ServingError(f"{value!r:.60} is no time.", next_step="Write it as 2013-06-01T15:00:00Z.") from error
