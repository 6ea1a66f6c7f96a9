"""A training, a search or a backtest written down for a worker in another process, environment or image."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import date

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fti_assets.errors import FtiError
from fti_assets.training.trials import SearchSettings

RESULT = "fti_result"
"""The key under which a worker tells Dagster what came of it. What a program reports is not taken for it."""


class SpecError(FtiError):
    """What a worker was given to do cannot be understood."""


class TrainingSpec(BaseModel):
    """Which program to train, on which data, on what. Where the stores are is said by the environment, as everywhere.

    Attributes:
        program: `module:name`, see `TrainingProgram.reference`.
        dataset_id: version of the training dataset; the newest unless given.
        device: `cpu`, `cuda` or `cuda:N`.
        fallback_to_cpu: whether the CPU will do where that is absent.
        tags: written on the run and the version.
        search: how the space of the program is searched, if that is what is to be done.
        cutoff: day as of which the program is to be backtested, if that is what is to be done.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    program: str = Field(pattern=r"^[\w.]+:[\w.]+$")
    dataset_id: str | None = None
    device: str = "cpu"
    fallback_to_cpu: bool = False
    seed: int = 0
    threads: int | None = Field(default=None, ge=1)
    tags: Mapping[str, str] = Field(default_factory=dict)
    search: SearchSettings | None = None
    cutoff: date | None = None

    @model_validator(mode="after")
    def _asks_for_one_thing(self) -> TrainingSpec:
        if self.search is not None and self.cutoff is not None:
            raise ValueError("search and cutoff ask for two things")
        return self

    @property
    def text(self) -> str:
        return self.model_dump_json(exclude_defaults=True)

    @property
    def encoded(self) -> str:
        """The text in base64, for an environment variable: what looks like a reference in it is not touched on the way."""
        return base64.b64encode(self.text.encode()).decode()

    @classmethod
    def of_text(cls, text: str) -> TrainingSpec:
        """Reads JSON.

        Raises:
            SpecError: it is not a specification; the error says where.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            told = " ".join(f"At {'.'.join(map(str, one['loc'])) or 'the top'}: {one['msg']}." for one in error.errors())
            raise SpecError(f"This is no specification of a training. {told}", next_step=_EXAMPLE) from error

    @classmethod
    def of_encoded(cls, text: str) -> TrainingSpec:
        """Reads what `encoded` gave.

        Raises:
            SpecError: it is not that.
        """
        try:
            decoded = base64.b64decode(text, validate=True).decode()
        except ValueError as error:
            raise SpecError(f"This is no specification of a training in base64: {error}.") from error
        return cls.of_text(decoded)


_EXAMPLE = 'The shortest is {"program": "my_system.models:churn"}.'
