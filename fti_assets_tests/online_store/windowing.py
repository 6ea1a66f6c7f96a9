"""Views that read a group through windows, for tests."""

from fti_assets.vocabulary import Feature, FeatureGroup, FeatureView
from fti_assets_tests.feature_store.examples import DAYS, OUTCOMES, PROMISE, TRIP


def view_of(*selections, name="windowed"):
    """A view of selections that are joined by columns of their own names, each under a prefix of its own."""
    selections = tuple(selection.prefixed(f"r{n}_") for n, selection in enumerate(selections))
    keys = {key: s.group.table.column(key).type for s in selections for key in s.join_keys}
    spine = FeatureGroup(
        name="asked",
        version=1,
        entity=TRIP,
        event_time="asked_at",
        cadence=DAYS,
        features=tuple(Feature(key, kind) for key, kind in keys.items()),
        contract=PROMISE,
    )
    return FeatureView(name=name, version=1, spine=spine, at="asked_at", features=selections, label=OUTCOMES["late"])
