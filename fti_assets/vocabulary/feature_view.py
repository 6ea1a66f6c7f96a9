"""Feature views: the features, and the label, chosen for one model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fti_assets.errors import DefinitionError, not_found
from fti_assets.vocabulary.feature_group import FeatureGroup, FeatureSelection, Selection
from fti_assets.vocabulary.names import checked_name
from fti_assets.vocabulary.on_demand import REQUEST_TIME, OnDemand
from fti_assets.vocabulary.table import Column


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureView:
    """What one model sees: features of several groups, joined point-in-time to the rows of a spine.

    Attributes:
        spine: group whose rows are to be completed; features chosen from it are taken from the row itself.
        at: time column of the spine; only what was known by then is joined.
        features: chosen features; their names must differ, across groups too. A group may be joined several times, in roles.
        label: one feature of another group, found by that group's entity key, whenever it became known.
        on_demand: features that are computed from those and from the spine's columns, one after the other.
    """

    name: str
    version: int
    spine: FeatureGroup
    at: str
    features: tuple[Selection, ...]
    label: FeatureSelection
    description: str = ""
    on_demand: tuple[OnDemand, ...] = ()

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
            self._check_keys(selection)
        self._check_on_demand()

    def _check_label(self) -> None:
        if len(self.label.names) != 1 or self.label.names[0] in self.feature_names:
            raise DefinitionError(
                f"Feature view '{self.name}' needs one label, which is not a feature: {', '.join(self.label.names)}."
            )
        if self.label.sources or self.label.prefix:
            raise DefinitionError(
                f"Feature view '{self.name}' has a label in a role; it is found by the key of its own group, under its own name."
            )
        if self.label.group == self.spine:
            raise DefinitionError(
                f"Feature view '{self.name}' takes its label '{self.label.names[0]}' from its spine '{self.spine.versioned_name}',"
                " whose rows are there before the outcome is known.",
                next_step="Put the label into a feature group of its own, with the same entity.",
            )

    def _check_names(self) -> None:
        check_roles(self.joined, f"Feature view '{self.name}'")
        twice = _repeated(self.feature_names)
        if twice:
            raise DefinitionError(
                f"Feature view '{self.name}' has these features twice: {', '.join(twice)}.",
                next_step="Choose one, or join one of the groups with .prefixed('...').",
            )
        own = {column.name for column in self.spine.table.columns}
        for selection in (*self.joined, self.label):
            hidden = [name for name in selection.output_names if name in own]
            if hidden:
                raise DefinitionError(
                    f"Feature view '{self.name}' joins {', '.join(hidden)} of '{selection.group.versioned_name}', but its spine"
                    f" '{self.spine.versioned_name}' has a column of that name.",
                    next_step="Choose the spine's own column, or join with .prefixed('...').",
                )

    def _check_on_demand(self) -> None:
        own = {column.name for column in self.spine.table.columns}
        if self.on_demand and REQUEST_TIME in own - {self.at}:
            raise DefinitionError(
                f"Feature view '{self.name}' has on-demand features, and its spine a column '{REQUEST_TIME}' that is not its time"
                f" '{self.at}'.",
                next_step=f"Rename the column: '{REQUEST_TIME}' stands for the time of the row.",
            )
        columns, taken = self.readable, {*own, *(column.name for column in self.stored_columns), REQUEST_TIME}
        for one in self.on_demand:
            for name in one.reads:
                if name not in taken:
                    raise not_found("Input", name, taken, where=f"what on-demand feature '{one}' of view '{self.name}' can read")
            if one.name in {*taken, self.label_column.name}:
                raise DefinitionError(
                    f"Feature view '{self.name}' computes '{one}', but there is a column of that name.",
                    next_step="Give the on-demand feature another name.",
                )
            one.check_inputs([columns[name] for name in one.reads])
            taken.add(one.name)

    def _check_keys(self, selection: Selection) -> None:
        columns = {column.name: column.type for column in self.spine.table.columns}
        existing = ", ".join(f"{name} ({kind})" for name, kind in columns.items())
        for key, source in join_sources(selection).items():
            if isinstance(source, FeatureSelection):
                self._check_keys(source)
                continue
            kind = selection.group.table.column(key).type
            if columns.get(source) != kind:
                raise DefinitionError(
                    f"Feature view '{self.name}' joins '{selection.group.versioned_name}' by '{source}' ({kind}), which its spine"
                    f" '{self.spine.versioned_name}' lacks. It has: {existing}."
                )

    @property
    def versioned_name(self) -> str:
        return f"{self.name}_v{self.version}"

    @property
    def stored_columns(self) -> tuple[Column, ...]:
        """The features that are stored, in the order chosen: all but the on-demand ones."""
        return tuple(column for selection in self.features for column in selection.columns)

    @property
    def feature_columns(self) -> tuple[Column, ...]:
        """The stored features, then the on-demand ones: the order in which a model reads them."""
        return (*self.stored_columns, *(one.result for one in self.on_demand))

    @property
    def feature_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.feature_columns)

    @property
    def readable(self) -> dict[str, Column]:
        """What on-demand transformations can read, by name; the time of the row as `REQUEST_TIME`."""
        at = self.spine.table.column(self.at)
        known = {column.name: column for column in (*self.spine.table.columns, *self.stored_columns)}
        return known | {one.name: one.result for one in self.on_demand} | {REQUEST_TIME: at}

    @property
    def label_column(self) -> Column:
        return self.label.columns[0]

    @property
    def joined(self) -> tuple[Selection, ...]:
        """The selections that are joined to the spine: all but those of the spine's own columns."""
        return tuple(selection for selection in self.features if not self._is_own(selection))

    def _is_own(self, selection: Selection) -> bool:
        plain = isinstance(selection, FeatureSelection) and not selection.sources and not selection.prefix
        return plain and selection.group == self.spine

    @property
    def groups(self) -> tuple[FeatureGroup, ...]:
        """Every group that the view reads, each once, the spine first, the label's last."""
        joined = [group for selection in self.joined for group in groups_of(selection)]
        return tuple(dict.fromkeys((self.spine, *joined, self.label.group)))


def join_sources(selection: Selection) -> dict[str, str | FeatureSelection]:
    """For each join key of the group the spine's column, or the feature of another group, that holds its value."""
    given = dict(selection.sources)
    return {key: given.get(key, key) for key in selection.join_keys}


def groups_of(selection: Selection) -> list[FeatureGroup]:
    """The groups that a selection reads: those in which its keys are found, then its own."""
    nested = [source for source in join_sources(selection).values() if isinstance(source, FeatureSelection)]
    return [*(group for source in nested for group in groups_of(source)), selection.group]


def column_sources(view: FeatureView) -> dict[str, tuple[tuple[FeatureGroup, str], ...]]:
    """For each feature of a view, and the label, the stored columns that it is made of."""
    own = {column.name: ((view.spine, column.name),) for column in view.spine.table.columns}
    known: dict[str, tuple[tuple[FeatureGroup, str], ...]] = {**own, REQUEST_TIME: ((view.spine, view.at),)}
    for selection in (*view.features, view.label):
        columns = selection.names if isinstance(selection, FeatureSelection) else [a.column for a in selection.aggregates]
        for name, column in zip(selection.output_names, columns, strict=True):
            known[name] = ((selection.group, column or str(selection.group.event_time)),)  # rows are counted by their time
    for one in view.on_demand:
        known[one.name] = tuple(dict.fromkeys(source for name in one.reads for source in known[name]))
    return {name: known[name] for name in (*view.feature_names, view.label_column.name)}


def check_roles(selections: Iterable[Selection], where: str) -> None:
    """Refuses a group that is chosen twice in the same role.

    Raises:
        DefinitionError: one is; the error names it.
    """
    roles = [
        f"{s.group.versioned_name}{f' as {s.prefix}' if s.prefix else ''}" for s in selections if isinstance(s, FeatureSelection)
    ]
    if _repeated(roles):
        raise DefinitionError(
            f"{where} names a group twice: {', '.join(_repeated(roles))}.",
            next_step="Choose all its features at once, or join it in another role: .on(key='column').prefixed('role_').",
        )


def _repeated(names: Sequence[str]) -> list[str]:
    return sorted({name for name in names if names.count(name) > 1})
