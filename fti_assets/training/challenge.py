"""The challenger held against the champion, on the same held-out rows, by the gates of the model's contract."""

from __future__ import annotations

from dataclasses import dataclass

from fti_assets.errors import FtiError, NotFoundError
from fti_assets.feature_store import FeatureStore, Manifest
from fti_assets.model_registry import CHALLENGER, CHAMPION, LoadedModel, ModelRegistry, ModelVersion
from fti_assets.training.data import TrainingData
from fti_assets.training.evaluation import Evaluation, GateResult, Verdict, evaluate, judge, kept_together
from fti_assets.training.training import REPORTED
from fti_assets.transformations import RowsError
from fti_assets.vocabulary import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What the gates say of a challenger, and of whom it was held against.

    Attributes:
        champion: None where there was none.
        measured: the challenger on the test split of its training dataset.
        before: the champion on the same rows.
    """

    model: Model
    challenger: ModelVersion
    champion: ModelVersion | None
    manifest: Manifest
    measured: Evaluation
    before: Evaluation | None
    verdict: Verdict

    @property
    def stands(self) -> bool:
        """Whether the challenger is the champion already: then it passes, and nothing is to be done."""
        return self.champion is not None and self.champion.version == self.challenger.version

    @property
    def reason(self) -> str:
        """Why it is promoted, or not, in plain words."""
        return _standing(self.challenger) if self.stands else self.verdict.reason

    def carry_out(self, registry: ModelRegistry, *, run: str | None = None) -> ModelVersion:
        """Promotes the challenger, or writes down why not. One that is the champion already stays it, and its decision too.

        Raises:
            ChampionChangedError: the champion has changed since the judgement; nothing was changed.
        """
        if self.stands:
            return self.challenger
        name, number = self.model.name, self.challenger.version
        figures = {metric: self.measured.metrics[metric] for metric in REPORTED}
        if not self.verdict.promoted:
            return registry.reject(name, number, self.verdict.reason, figures)
        expected = self.champion.version if self.champion else None
        return registry.promote(name, number, reason=self.verdict.reason, figures=figures, expected_champion=expected, run=run)


def judge_challenger(model: Model, store: FeatureStore, registry: ModelRegistry) -> Judgement:
    """Judges the challenger on the test split of the dataset that it was trained from. Nothing is changed.

    Raises:
        NotFoundError: there is no challenger, or its training dataset is gone.
        FtiError: the challenger does not say what it was trained on.
    """
    challenger, champion = registry.load(model.name, CHALLENGER), _champion(model, registry)
    dataset_id = challenger.version.tags.get("dataset_id")
    if dataset_id is None:
        raise FtiError(f"{challenger.version} does not say which training dataset it was trained on, so it cannot be judged.")
    folder, manifest = store.dataset(model.dataset.name, dataset_id)
    data = TrainingData.of(model, folder)
    together, smallest = kept_together(model.dataset), model.smallest_slice
    measured = evaluate(challenger, data, model.slices, with_intervals=True, together=together, minimum_rows=smallest)
    before = _measured(champion, data) if champion else None
    stands = champion is not None and champion.version.version == challenger.version.version
    return Judgement(
        model=model,
        challenger=challenger.version,
        champion=champion.version if champion else None,
        manifest=manifest,
        measured=measured,
        before=before,
        verdict=_passed(model, challenger.version, measured) if stands else judge(model.gates, measured, before),
    )


def _passed(model: Model, champion: ModelVersion, measured: Evaluation) -> Verdict:
    """The champion is not held against itself: it would fail a gate that asks for an improvement."""
    sentence = _standing(champion)
    return Verdict(tuple(GateResult(gate, True, sentence, measured.metric(gate.metric), None) for gate in model.gates))


def _standing(champion: ModelVersion) -> str:
    return f"{champion} is the champion already; nothing was judged or changed."


def _champion(model: Model, registry: ModelRegistry) -> LoadedModel | None:
    try:
        return registry.load(model.name, CHAMPION)
    except NotFoundError:
        return None


def metrics_table(challenger: Evaluation, champion: Evaluation | None) -> str:
    """The figures of both, in Markdown."""
    lines = ["| metric | challenger (95% interval) | champion |", "| --- | ---: | ---: |"]
    for name in REPORTED:
        before = f"{champion.metrics[name]:.4f}" if champion else "none"
        lines.append(f"| {name} | {challenger.interval(name)} | {before} |")
    return "\n".join(lines)


def slices_report(evaluation: Evaluation) -> str:
    """The figures of every slice, in Markdown."""
    lines = ["| slice | rows | AUC (95% interval) | base rate | mean prediction |", "| --- | ---: | ---: | ---: | ---: |"]
    lines += [
        f"| {one} | {one.rows:,} | {one.auc} | {one.metrics['base_rate']:.3f} | {one.metrics['mean_prediction']:.3f} |"
        for one in evaluation.slices
    ]
    return "\n".join(lines)


def gate_report(judged: Judgement) -> str:
    """What the gates say, and the figures behind it, in Markdown."""
    verdict, champion = judged.verdict, judged.champion
    against = f"version {champion.version}, the champion" if champion else "no champion"
    lines = [
        f"# {judged.challenger}: {'passed' if verdict.promoted else 'not passed'}",
        f"Judged against {against}, on the test split of training dataset `{judged.manifest}`.",
        "\n".join(f"- {'passed' if one.passed else 'FAILED'}: `{one.gate.name}`. {one.sentence}" for one in verdict.results)
        or "The model has no gates.",
        f"## Figures\n\n{metrics_table(judged.measured, judged.before)}",
    ]
    if judged.measured.slices:
        lines.append(f"## Slices\n\n{slices_report(judged.measured)}")
    return "\n\n".join(lines) + "\n"


def _measured(champion: LoadedModel, data: TrainingData) -> Evaluation:
    """The champion's figures on the challenger's rows.

    Raises:
        FtiError: the dataset lacks what the champion reads.
    """
    try:
        return evaluate(champion, data)
    except RowsError as error:
        raise FtiError(
            f"The champion, {champion.version}, cannot be compared on {data.folder.name}: {error}",
            next_step=f"Its view has changed since. Decide by hand: fti models promote {champion.version.name}:VERSION --why ...",
        ) from error
