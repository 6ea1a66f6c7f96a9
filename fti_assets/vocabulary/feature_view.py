"""Feature views: the features, and the label, chosen for one model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fti_assets.errors import DefinitionError
from fti_assets.vocabulary.feature_group import FeatureGroup, FeatureSelection
from fti_assets.vocabulary.names import checked_name
from fti_assets.vocabulary.table import Column


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureView:
    """What one model sees: features of several groups, joined point-in-time to the rows of a spine.

    Attributes:
        spine: group whose rows are to be completed; features chosen from it are taken from the row itself.
        at: time column of the spine; only what was known by then is joined.
        features: chosen features; their names must differ, across groups too.
        label: one feature of another group, found by that group's entity key, whenever it became known.
    """

    name: str
    version: int
    spine: FeatureGroup
    at: str
    features: tuple[FeatureSelection, ...]
    label: FeatureSelection
    description: str = ""

    def __post_init__(self) -> None:
        checked_name(self.name, "A feature view")
        if self.version < 1:
            raise DefinitionError(f"Feature view '{self.name}' has version {self.version}; the first is 1.")
        at = self.spine.table.column(self.at)
        if at.type != "timestamp":
            raise DefinitionError(f"Feature view '{self.name}' joins at '{self.at}', a {at.type}; it must be a timestamp.")
        self._check_label()
        self._check_names()
        for selection in (*self.joined, self.label):
            self._check_keys(selection.group)

    def _check_label(self) -> None:
        if len(self.label.names) != 1 or self.label.names[0] in self.feature_names:
            raise DefinitionError(
                f"Feature view '{self.name}' needs one label, which is not a feature: {', '.join(self.label.names)}."
            )
        if self.label.group == self.spine:
            raise DefinitionError(
                f"Feature view '{self.name}' takes its label '{self.label.names[0]}' from its spine '{self.spine.versioned_name}',"
                " whose rows are there before the outcome is known.",
                next_step="Put the label into a feature group of its own, with the same entity.",
            )

    def _check_names(self) -> None:
        twice = _repeated(self.feature_names)
        if twice:
            raise DefinitionError(f"Feature view '{self.name}' has these features twice: {', '.join(twice)}.")
        groups = [selection.group.versioned_name for selection in self.features]
        if _repeated(groups):
            raise DefinitionError(f"Feature view '{self.name}' names a group twice: {', '.join(_repeated(groups))}.")
        own = {column.name for column in self.spine.table.columns}
        for selection in (*self.joined, self.label):
            hidden = [name for name in selection.names if name in own]
            if hidden:
                raise DefinitionError(
                    f"Feature view '{self.name}' joins {', '.join(hidden)} of '{selection.group.versioned_name}', but its spine"
                    f" '{self.spine.versioned_name}' has a column of that name.",
                    next_step="Choose the spine's own column, or give one of the two another name.",
                )

    def _check_keys(self, group: FeatureGroup) -> None:
        columns = {column.name: column.type for column in self.spine.table.columns}
        existing = ", ".join(f"{name} ({kind})" for name, kind in columns.items())
        for key in group.entity.keys:
            if columns.get(key.name) != key.type:
                raise DefinitionError(
                    f"Feature view '{self.name}' joins '{group.versioned_name}' by '{key.name}' ({key.type}), which its spine"
                    f" '{self.spine.versioned_name}' lacks. It has: {existing}."
                )

    @property
    def versioned_name(self) -> str:
        return f"{self.name}_v{self.version}"

    @property
    def feature_columns(self) -> tuple[Column, ...]:
        return tuple(column for selection in self.features for column in selection.columns)

    @property
    def feature_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.feature_columns)

    @property
    def label_column(self) -> Column:
        return self.label.columns[0]

    @property
    def joined(self) -> tuple[FeatureSelection, ...]:
        """The selections that are joined to the spine: all but those of the spine itself."""
        return tuple(selection for selection in self.features if selection.group != self.spine)

    @property
    def groups(self) -> tuple[FeatureGroup, ...]:
        """Every group that the view reads, the spine first, the label's last."""
        return (self.spine, *(selection.group for selection in self.joined), self.label.group)


def _repeated(names: Sequence[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})
