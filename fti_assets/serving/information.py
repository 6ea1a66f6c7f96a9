"""What there is to know about a model that is served: for the page, and for programs that ask before they ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fti_assets.serving.request_reading import instant
from fti_assets.serving.scoring import EXPLAINED, Scorer

if TYPE_CHECKING:
    from fti_assets.serving.running import RunningServer
    from fti_assets.vocabulary import Column


def model_information(running: RunningServer, name: str) -> dict[str, Any]:
    """What may be asked of a model, what it reads, and which versions answer."""
    serving = running.servings[name]
    served, view = serving.predictor.served, serving.predictor.view
    contract, answering = served.contract, served.answering
    sources = {feature: str(source) for source in view.sources for feature in source.features}
    return {
        "name": name,
        "description": contract.description,
        "label": _column(contract.view.label_column),
        "view": contract.view.versioned_name,
        "entity": contract.view.spine.entity.name,
        "keys": list(serving.predictor.keys),
        "time": contract.view.at,
        "columns": [_column(column) for column in view.request_columns],
        "features": [{**_column(one), "source": sources.get(one.name)} for one in contract.view.feature_columns],
        "clock": running.clock.as_data(),
        "champion": _scorer(answering.champion, served.standing.since),
        "challenger": _scorer(answering.challenger, None),
        "explains": answering.champion is not None and answering.champion.kind == EXPLAINED and _may_explain(running),
        "needs_key": running.house.keys is not None,
    }


def _may_explain(running: RunningServer) -> bool:
    return running.settings.limits.explained_rows > 0


def _column(column: Column) -> dict[str, Any]:
    return {"name": column.name, "type": column.type, "description": column.description, "unit": column.unit}


def _scorer(scorer: Scorer | None, since: float | None) -> dict[str, Any] | None:
    if scorer is None:
        return None
    return {
        "version": scorer.version,
        "kind": scorer.kind,
        "predicts_by": scorer.path,
        "registered_at": scorer.kept.registered_at,
        "since": None if since is None else instant(int(since * 1e6)),
    }
