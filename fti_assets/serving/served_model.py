"""A model as it is served: its contract, and the versions that answer now. What answers is exchanged as a whole, in one step."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fti_assets.predictive_models import PredictiveModel, read_model
from fti_assets.serving.check_rows import TOLERANCE, as_columns, furthest
from fti_assets.serving.errors import ServingError
from fti_assets.serving.scoring import Scorer, one_thread
from fti_assets.serving.version_files import KeptVersion, VersionFolder

if TYPE_CHECKING:
    from fti_assets.vocabulary import Model

LOGGER = logging.getLogger("fti.serving")


@dataclass(frozen=True, slots=True)
class Answering:
    """What answers requests now.

    Attributes:
        champion: None until one is there.
        challenger: None where traffic is not split and not shadowed, or where it is the champion.
    """

    champion: Scorer | None = None
    challenger: Scorer | None = None


@dataclass(slots=True)
class Standing:
    """How a model stands with its registry, for `/readyz` and for metrics.

    Attributes:
        reached: whether the registry answered when it was last asked; None before that.
        problem: why a version that the registry names does not serve, or why the registry is not reached; empty when all is well.
        swaps: how often the champion was exchanged since the start.
        refused: how often a version was refused.
        since: when the champion began to serve, seconds since 1970.
        source: where the champion came from: `registry`, or `kept copy` until the registry has confirmed it.
    """

    reached: bool | None = None
    problem: str = ""
    swaps: int = 0
    refused: int = 0
    since: float = 0.0
    source: str = ""


@dataclass(slots=True)
class ServedModel:
    """A model that is served.

    Attributes:
        contract: of the model.
        kept: the copies of its versions on the server's own disk.
        answering: exchanged as a whole; read it once for a request.
        standing: with the registry.
    """

    contract: Model
    kept: VersionFolder
    answering: Answering = field(default_factory=Answering)
    standing: Standing = field(default_factory=Standing)

    @property
    def name(self) -> str:
        return self.contract.name

    def start_from_copy(self) -> None:
        """Lets the champion that was served last answer, from the copy on disk, if there is one that is whole.

        It answers by numpy, until `compile`: so the server is ready a second sooner.
        """
        last = self.kept.last()
        if last is None:
            return
        try:
            self.exchange(self.prepare(last, by_numpy=True), None)
        except (ServingError, OSError) as error:
            self.refuse(f"The kept copy of version {last.version} does not serve: {error}")
        else:
            self.standing.source = "kept copy"

    def compile(self) -> None:
        """Lets what answers predict by compiled code, if it does not yet. To be called beside the event loop."""
        answering = self.answering
        for scorer in (answering.champion, answering.challenger):
            if scorer is not None:
                scorer.compile()

    def prepare(self, kept: KeptVersion, *, by_numpy: bool = False) -> Scorer:
        """A version, ready to answer: loaded, held against what the registered model predicts, and warm.

        Args:
            kept: on the server's own disk.
            by_numpy: see `Scorer.start_by_numpy`.

        Raises:
            ServingError: it is damaged, was trained on another version of the view, or predicts something else.
            ModelFileError: a file of it cannot be read.
        """
        view = self.contract.view
        if kept.view_version != view.version:
            trained = "says no version of it" if kept.view_version is None else f"was trained on version {kept.view_version}"
            raise ServingError(
                f"{self.name} version {kept.version} {trained}, but the contract has the view '{view.versioned_name}'.",
                next_step="Train it on this view, or start a server with the contract that it was trained on.",
            )
        if kept.translation:
            try:
                return self._checked(kept, translated=True, by_numpy=by_numpy)
            except ServingError as error:
                LOGGER.warning("%s It serves as it was registered.", error)
        return self._checked(kept, translated=False, by_numpy=False)

    def _checked(self, kept: KeptVersion, *, translated: bool, by_numpy: bool) -> Scorer:
        scorer = self._scorer(kept, translated=translated)
        if by_numpy:
            scorer.start_by_numpy()
        check = kept.check()
        names = [feature.name for feature in scorer.model.transformations.features]
        distance = _distance(scorer, names, check["rows"], check["predictions"])
        if distance > TOLERANCE:
            raise ServingError(
                f"{self.name} version {kept.version} predicts by {scorer.path} what is up to {distance:.1e} away from what the"
                f" registered model predicts; {TOLERANCE:.0e} is allowed."
            )
        return scorer

    def _scorer(self, kept: KeptVersion, *, translated: bool) -> Scorer:
        def load_plain() -> PredictiveModel:
            return read_model(kept.file, kept.read(kept.file), source=f"{self.name} version {kept.version}")

        file = kept.translation if translated else kept.file
        model = one_thread(read_model(file, kept.read(file), source=f"{kept.folder / file}"))
        self._check_features(model, kept.version)
        assert kept.view_version is not None  # `prepare` has compared it
        return Scorer(
            kept=kept, view_version=kept.view_version, model=model, names=self.contract.view.feature_names, load_plain=load_plain
        )

    def _check_features(self, model: PredictiveModel, version: int) -> None:
        known = {column.name: column.type for column in self.contract.view.feature_columns}
        for feature in model.transformations.features:
            if known.get(feature.name) != feature.type:
                has = f"has it as {known[feature.name]}" if feature.name in known else "lacks it"
                raise ServingError(
                    f"{self.name} version {version} reads '{feature.name}' ({feature.type}), but the view"
                    f" '{self.contract.view.versioned_name}' {has}.",
                    next_step="A view with other features needs another version.",
                )

    def exchange(self, champion: Scorer | None, challenger: Scorer | None) -> None:
        """Lets these answer from the next request on. Requests in work end with what they began with."""
        before = self.answering.champion
        self.answering = Answering(champion, challenger)
        if champion is not None and champion is not before:
            self.standing.since = time.time()
            self.standing.swaps += before is not None
            was = f" in place of version {before.version}" if before else ""
            LOGGER.info("%s version %d answers%s, by %s.", self.name, champion.version, was, champion.path)

    def refuse(self, problem: str) -> None:
        """Notes why a version does not serve; what answers goes on answering."""
        if problem != self.standing.problem:
            LOGGER.error("%s", problem)
            self.standing.refused += 1
        self.standing.problem = problem


def _distance(scorer: Scorer, names: Sequence[str], rows: Sequence[Sequence[object]], expected: Sequence[float]) -> float:
    """How far the scorer is from what is expected, in bulk and row by row; it is warm afterwards."""
    one_by_one = [float(scorer.predict(as_columns([row], names, scorer.names))[0]) for row in rows]
    at_once = scorer.predict(as_columns(rows, names, scorer.names))
    return max(furthest(at_once, expected), furthest(at_once, one_by_one))
