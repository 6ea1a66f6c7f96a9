"""Which versions of a model the predictions in the lake come from."""

from __future__ import annotations

from fti_assets.errors import FtiError
from fti_assets.feature_store import FeatureStore
from fti_assets.vocabulary import quoted


def predicted_versions(store: FeatureStore, model: str) -> frozenset[int]:
    """The versions of a model that predictions of any name refer to, those in its inference log included.

    Raises:
        FtiError: it cannot be found out: there is no lake, or a table of predictions does not say which model made it.
    """
    where = f"which versions of model '{model}' predictions refer to"
    if not store.lake.is_there:
        step = "Set FTI_DATA_DIR or FTI_LAKE_CATALOG to the lake of this registry."
        raise FtiError(f"There is no lake in {store.lake.catalog}, so it is not known {where}.", next_step=step)
    names = []
    for info in store.tables("predictions"):
        made_by = info.description.get("model")
        if made_by is None:
            step = "Publish it anew: its description is from an older version."
            raise FtiError(f"'{info}' does not say which model made it, so it is not known {where}.", next_step=step)
        if made_by == model:
            names.append(f"lake.predictions.{quoted(info.name)}")
    names += [f"lake.inference_log.{quoted(info.name)}" for info in store.tables("inference_log") if info.name == model]
    with store.reading() as connection:
        return frozenset(
            int(version)
            for name in names
            for (version,) in connection.execute(f"SELECT DISTINCT model_version FROM {name}").fetchall()
        )
