"""Names and times on the command line: systems, groups, and what they define."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from types import ModuleType

from fti_assets.cli.systems import every_system, online_groups, online_views, system_contracts, system_names
from fti_assets.errors import DefinitionError, not_found
from fti_assets.vocabulary import FeatureGroup, FeatureView


def moment(text: str | None, option: str) -> datetime | None:
    """A time as one writes it, `2013-06-01T15:00`; in UTC where it says no zone.

    Raises:
        DefinitionError: it is none.
    """
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise DefinitionError(
            f"{option} {text!r} is no time.", next_step="Write it as 2013-06-01T15:00, in UTC unless it says otherwise."
        ) from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def chosen_groups(names: Sequence[str]) -> list[tuple[FeatureGroup, list[FeatureView]]]:
    """The online groups that are named, or that are those of a system that is, each with the views of its system.

    Raises:
        NotFoundError: a name is neither that of a system nor of an online group; the error names what there is.
    """
    found: dict[str, tuple[FeatureGroup, list[FeatureView]]] = {}
    for name in names:
        contracts = system_contracts(name) if name in system_names() else None
        for group, of in _groups_of(contracts) if contracts else [_group(name)]:
            found[group.versioned_name] = (group, online_views(of))
    return list(found.values())


def _groups_of(contracts: ModuleType) -> list[tuple[FeatureGroup, ModuleType]]:
    return [(group, contracts) for group in online_groups(contracts)]


def _group(name: str) -> tuple[FeatureGroup, ModuleType]:
    """The online group of that name, its newest version unless the name has one."""
    known: dict[str, tuple[FeatureGroup, ModuleType]] = {}
    for _, contracts in every_system():
        for group, of in sorted(_groups_of(contracts), key=lambda one: one[0].version):
            known[group.name] = known[group.versioned_name] = (group, of)
    if name not in known:
        shown = [*system_names(), *sorted({group.name for group, _ in known.values()})]
        raise not_found("System or online group", name, shown, where="the contracts that are here")
    return known[name]
