"""Training datasets: a view cut at one snapshot, for models to be trained on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from fti_assets.errors import DefinitionError, not_found
from fti_assets.vocabulary.feature_view import FeatureView
from fti_assets.vocabulary.names import checked_name, checked_owner
from fti_assets.vocabulary.split import RandomSplit, Split
from fti_assets.vocabulary.window import Daily


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingDataset:
    """A view cut at one snapshot: spine, features and label of every row whose label is mature and known at the cut-off.

    Attributes:
        split: which rows train, which validate, which test.
        label_horizon: how long after a row's time (`view.at`) its label is final. Rows nearer to the cut-off are left out, those
            with a label too: what becomes known early (short flights, quick buyers) would be over-represented among them.
            Split by time, so are rows near the end of the training and validation splits, whose labels the next split overlaps.
    """

    name: str
    view: FeatureView
    split: Split
    owner: str
    description: str = ""
    label_horizon: timedelta = timedelta()

    def __post_init__(self) -> None:
        checked_name(self.name, "A training dataset")
        checked_owner(self.owner)
        if self.view.spine.cadence is None:
            raise DefinitionError(f"Training dataset '{self.name}' is cut by days, but the spine of its view has no cadence.")
        if self.label_horizon < timedelta():
            raise DefinitionError(
                f"Training dataset '{self.name}' has a label horizon of {self.label_horizon}; it cannot be negative."
            )
        if isinstance(self.split, RandomSplit):
            columns = [column.name for column in self.view.spine.table.columns]
            for name in self.split.by:
                if name not in columns:
                    raise not_found("Column", name, columns, where=f"the spine by which dataset '{self.name}' is split")

    @property
    def asset_key(self) -> tuple[str, str]:
        return ("training_datasets", self.name)

    @property
    def calendar(self) -> Daily:
        cadence = self.view.spine.cadence
        assert cadence is not None  # checked in __post_init__
        return cadence
