"""What is to be joined to a spine: selections of features, the time of each row, and when its values had to be known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fti_assets.errors import DefinitionError
from fti_assets.feature_store.point_in_time.on_demand import OnDemandColumns
from fti_assets.vocabulary import FeatureGroup, FeatureSelection, FeatureView, Selection, check_roles


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """What is to be joined to a spine.

    Attributes:
        selections: what is joined, in order; names of the joined columns differ.
        at: column of the spine with the time of each row.
        known_at: only values published by then are visible: an instant for all rows, a column of the spine, or None.
        event_times: whether the event time of each value is joined as well, see `event_time_column`.
        computed: what is computed of what was joined.
    """

    selections: tuple[Selection, ...]
    at: str
    known_at: datetime | str | None = None
    event_times: bool = False
    computed: OnDemandColumns | None = None

    def __post_init__(self) -> None:
        check_roles(self.selections, "The request")
        names = [name for selection in self.selections for name in selection.output_names]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise DefinitionError(
                f"These features are asked for twice: {', '.join(twice)}.",
                next_step="Choose one, or join one of the groups with .prefixed('...').",
            )

    @staticmethod
    def of(
        features: FeatureView | Sequence[Selection],
        *,
        at: str | None = None,
        known_at: datetime | str | None = None,
        event_times: bool = False,
    ) -> Join:
        """What a view joins to its spine, or the given selections.

        Raises:
            DefinitionError: the time column is not said, or a feature is asked for twice.
        """
        if isinstance(features, FeatureView):
            at = at or features.at
            computed = OnDemandColumns.of(features, at) if features.on_demand else None
            return Join(selections=features.joined, at=at, known_at=known_at, event_times=event_times, computed=computed)
        if not features:
            raise DefinitionError("No features are asked for.", next_step="Name some: GROUP['feature', ...] or GROUP.all_features.")
        if at is None:
            raise DefinitionError("The time of the spine's rows is not said.", next_step="Name its column: at='...'.")
        return Join(selections=tuple(features), at=at, known_at=known_at, event_times=event_times)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that are added: the joined features, then the computed ones, then the event times."""
        dated = [s for s in self.selections if isinstance(s, FeatureSelection) and s.group.event_time]
        times = [event_time_column(s.group, s.prefix) for s in dated]
        computed = self.computed.names if self.computed else ()
        return (*(name for s in self.selections for name in s.output_names), *computed, *(times if self.event_times else ()))


def event_time_column(group: FeatureGroup, prefix: str = "") -> str:
    """Name of the column that says when the joined values of a group became known; with the prefix of its role."""
    return f"{prefix}{group.versioned_name}__event_time"
