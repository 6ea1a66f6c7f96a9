"""Where raw data comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fti_assets.vocabulary.names import checked_name
from fti_assets.vocabulary.window import Daily


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvSource:
    """CSV files that a partner delivers into the landing zone: one a day, or one reference table without a cadence.

    Attributes:
        columns: the header, in order, each with the DuckDB type of its values (`INTEGER`, `DOUBLE`, `VARCHAR`).
    """

    name: str
    columns: Mapping[str, str]
    cadence: Daily | None = None
    description: str = ""

    def __post_init__(self) -> None:
        checked_name(self.name, "A source")

    @property
    def asset_key(self) -> tuple[str, str]:
        return ("landing", self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvFile:
    """One CSV file that is read as a whole; the pipeline's window takes from it what belongs to a partition.

    Attributes:
        path: relative to the working directory, or absolute.
        columns: see `CsvSource`.
    """

    name: str
    path: str
    columns: Mapping[str, str]
    description: str = ""

    def __post_init__(self) -> None:
        checked_name(self.name, "A source")

    @property
    def asset_key(self) -> tuple[str, str]:
        return ("files", self.name)
