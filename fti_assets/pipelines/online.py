"""Online tables as assets: brought up to date after each publication of their feature group, and compared with it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg
from dagster._core.definitions.metadata import RawMetadataValue
from pydantic import Field

from fti_assets.errors import DefinitionError
from fti_assets.feature_store import FeatureStore
from fti_assets.pipelines.failures import told_plainly
from fti_assets.pipelines.markdown import table
from fti_assets.pipelines.partitions import dependency
from fti_assets.pipelines.resources import LakeResource, OnlineResource
from fti_assets.pipelines.specs import ONLINE_WRITER, online_spec, table_spec
from fti_assets.vocabulary import FeatureGroup, FeatureView, Reach, WindowedSelection, quoted

if TYPE_CHECKING:
    from fti_assets.online_store import OnlineStore, OnlineTable
    from fti_assets.online_store.materialisation import LoadedEvents
    from fti_assets.online_store.parity import Difference, Parity

CHECK = "online_equals_offline"
SAMPLE = 1_000
"""Entities that are compared."""
_SHOWN = 20


class OnlineTableConfig(dg.Config):
    """Run configuration of an online table."""

    full: bool = Field(default=False, description="Load it anew, instead of what has changed since the last time.")
    until: str | None = Field(
        default=None, description="Take the newest rows as of this time, `2013-12-31T12:00:00+00:00`, for a replay of history."
    )


@dataclass(frozen=True, slots=True)
class OnlineTablePipeline:
    """The newest row of each entity of a group, and the events of the windows that views have over it.

    Attributes:
        views: whose windows over the group are kept.
    """

    group: FeatureGroup
    views: tuple[FeatureView, ...] = ()

    @property
    def upstream(self) -> list[dg.AssetSpec]:
        return [table_spec(self.group)]

    @property
    def key(self) -> dg.AssetKey:
        return online_spec(self.group).key

    def assets(self) -> list[dg.AssetsDefinition]:
        spec = online_spec(self.group, deps=[dependency(Reach(self.group), None)], automation_condition=_follow_the_group())

        @dg.multi_asset(name=f"online__{self.group.versioned_name}", specs=[spec], pool=ONLINE_WRITER)
        def load(config: OnlineTableConfig, lake: LakeResource, online: OnlineResource) -> dg.MaterializeResult:  # type: ignore[type-arg]
            with told_plainly(), online.opened() as store:
                return dg.MaterializeResult(metadata=self._load(config, lake.store, store))

        return [load]

    def checks(self) -> list[dg.AssetChecksDefinition]:
        """The check of parity, which runs after the table was made, or by itself."""

        @dg.asset_check(
            asset=self.key,
            name=CHECK,
            blocking=False,
            automation_condition=_follow_the_table(),
            description=f"As of the newest event, {SAMPLE:,} entities read online are what the point-in-time join gives.",
        )
        def compare(lake: LakeResource, online: OnlineResource) -> dg.AssetCheckResult:
            with told_plainly(), online.opened() as store:
                return _result(self._compared(lake.store, store), self._behind(lake.store, store))

        return [compare]

    def _load(self, config: OnlineTableConfig, store: FeatureStore, online: "OnlineStore") -> dict[str, RawMetadataValue]:
        from fti_assets.online_store.materialisation import materialise

        done = materialise(store, online, self.group, views=self.views, full=config.full, until=_instant(config.until))
        shown: dict[str, RawMetadataValue] = {
            "kind": done.kind,
            "rows_read": done.read,
            "rows_written": done.written,
            "rows_older": done.older,
            "rows_withdrawn": done.withdrawn,
            "seconds": round(done.seconds, 3),
            **({"snapshot": done.snapshot} if done.snapshot is not None else {}),
            **({"until": str(done.until)} if done.until else {}),
            **(_of_windows(done.windows) if done.windows else {}),
        }
        return shown if done.kind == "events" else {**shown, **_of_table(online.table(self.group))}

    def _compared(self, store: FeatureStore, online: "OnlineStore") -> "list[Parity]":
        """The table with the group, and the windows over it with the events."""
        from fti_assets.online_store.parity import compare

        known = {one.name: one for one in online.tables()}
        own = known.get(self.group.versioned_name)
        windows = [view for view in map(self._windows_of, self.views) if view is not None]
        of_windows = [compare(store, online, view, sample=SAMPLE, at=_newest(store, self.group)) for view in windows]
        if own is None and windows:
            return of_windows
        return [compare(store, online, self.group, sample=SAMPLE, at=own.newest_event if own else None), *of_windows]

    def _behind(self, store: FeatureStore, online: "OnlineStore") -> datetime | None:
        """When the lake was last published to, if that is not online yet."""
        own = next((one for one in online.tables() if one.name == self.group.versioned_name), None)
        last = store.publications(str(self.group.table), limit=1)
        if own is None or own.published_until is None or not last or last[0].published_at <= own.published_until:
            return None
        return last[0].published_at

    def _windows_of(self, view: FeatureView) -> FeatureView | None:
        """A view with nothing but the windows that `view` has over the group; None where it has none."""
        windows = tuple(one for one in view.joined if isinstance(one, WindowedSelection) and one.group == self.group)
        return replace(view, features=windows, on_demand=()) if windows else None


def online_table(group: FeatureGroup, *, views: tuple[FeatureView, ...] = ()) -> OnlineTablePipeline:
    """The asset `online/GROUP`: what of a feature group is kept for predictions at the moment of asking.

    It is brought up to date after each publication of the group, by what has changed since; in full on request.

    Args:
        group: one with `online=True`.
        views: those that have windows over the group, whose events are kept then.

    Raises:
        DefinitionError: the group is not said to be online.
    """
    if not group.online:
        raise DefinitionError(
            f"Feature group '{group.versioned_name}' is not online.", next_step="Say so in its contract: online=True."
        )
    return OnlineTablePipeline(group, views)


def _follow_the_group() -> dg.AutomationCondition:  # type: ignore[type-arg]
    """When a partition of the group was published, one of long ago too, which may be a correction.

    `eager()` does not fit: it waits until every partition of the group is there, and for those that are being made.
    """
    updated = dg.AutomationCondition.any_deps_updated().since_last_handled()
    return (updated & ~dg.AutomationCondition.in_progress()).with_label("follow the feature group")


def _follow_the_table() -> dg.AutomationCondition:  # type: ignore[type-arg]
    """When the table was made: runs that automation requests do not run checks by themselves."""
    updated = dg.AutomationCondition.any_deps_updated().since_last_handled()
    return (updated & ~dg.AutomationCondition.in_progress()).with_label("follow the online table")


def _instant(text: str | None) -> datetime | None:
    """A time as the run configuration gives it; one without a zone is in UTC.

    Raises:
        DefinitionError: it is none.
    """
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise DefinitionError(f"until is {text!r}, which is no time.", next_step="Write 2013-12-31T12:00:00+00:00.") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _newest(store: FeatureStore, group: FeatureGroup) -> datetime | None:
    """The latest event time of a group."""
    assert group.event_time is not None  # it has windows
    with store.reading() as connection:
        row = store.read(connection, group.table).max(quoted(group.event_time)).fetchone()
    return row[0] if row else None


def _of_windows(loaded: "LoadedEvents") -> dict[str, RawMetadataValue]:
    return {
        "events_read": loaded.read,
        "events_added": loaded.added,
        "events_withdrawn": loaded.withdrawn,
        "events_loaded_anew": loaded.is_anew,
        **({"newest_event": str(loaded.newest)} if loaded.newest else {}),
    }


def _of_table(made: "OnlineTable") -> dict[str, RawMetadataValue]:
    return {
        "entities": made.entities,
        "dagster/row_count": made.entities,
        "size_mb": round(made.size / 1e6, 3),
        "generation": made.generation,
        **({"newest_event": str(made.newest_event)} if made.newest_event else {}),
        **({"published_until": str(made.published_until)} if made.published_until else {}),
    }


def _result(compared: "Sequence[Parity]", behind: datetime | None) -> dg.AssetCheckResult:
    differing = [one for parity in compared for one in parity.differing]
    entities = sum(parity.differing_entities for parity in compared)
    said = f"Values that differ: {len(differing):,}, of entities: {entities:,}." if differing else None
    return dg.AssetCheckResult(
        passed=not differing,
        severity=dg.AssetCheckSeverity.ERROR,
        description=said,
        metadata={
            "entities": sum(parity.checked for parity in compared),
            "entities_ahead_of_the_lake": sum(parity.ahead for parity in compared),
            "differing_entities": entities,
            "as_of": ", ".join(dict.fromkeys(str(parity.at) for parity in compared)),
            **({"published_but_not_online": str(behind)} if behind else {}),
            **({"differences": dg.MetadataValue.md(_differences(differing))} if differing else {}),
        },
    )


def _differences(differing: "Sequence[Difference]") -> str:
    """The first values that differ, with what is read on both sides."""
    rows = [
        (", ".join(f"{name} {value}" for name, value in one.entity.items()), one.feature, str(one.online), str(one.offline))
        for one in differing[:_SHOWN]
    ]
    return table(("entity", "feature", "online", "offline"), rows, right=0)
