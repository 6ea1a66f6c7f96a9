"""The AI system that is served: accounts with three groups of ten features each, and one model on all thirty of them."""

from __future__ import annotations

from datetime import UTC, datetime

from fti_assets.vocabulary import (
    Column,
    Contract,
    Daily,
    Entity,
    Feature,
    FeatureGroup,
    FeatureView,
    Model,
    TimeSplit,
    TrainingDataset,
)

GROUPS = ("behaviour", "history", "profile")
FLOATS_PER_GROUP = 7
CATEGORIES = {"kind": 6, "place": 40}
"""Categories of each group and how many values they have."""
TREES = 500
KNOWN_AT = datetime(2026, 1, 1, tzinfo=UTC)
"""When the values of every entity are known."""

_OWNER = Contract(owner="team:benchmarks")
ACCOUNT = Entity("account", (Column("account_id", "int"),))


def feature_columns(group: str) -> tuple[Feature, ...]:
    """Seven floats, a count and two categories."""
    return (
        *(Feature(f"{group}_{n}", "float") for n in range(FLOATS_PER_GROUP)),
        Feature(f"{group}_count", "int"),
        *(Feature(f"{group}_{name}", "string") for name in CATEGORIES),
    )


def _group(name: str) -> FeatureGroup:
    return FeatureGroup(
        name=name,
        version=1,
        entity=ACCOUNT,
        event_time="known_at",
        cadence=Daily(start="2025-01-01"),
        features=feature_columns(name),
        contract=_OWNER,
        online=True,
    )


FEATURE_GROUPS = tuple(_group(name) for name in GROUPS)
QUESTIONS = FeatureGroup(
    name="questions",
    version=1,
    entity=ACCOUNT,
    event_time="asked_at",
    cadence=Daily(start="2025-01-01"),
    features=(Feature("channel", "int"),),
    contract=_OWNER,
)
OUTCOMES = FeatureGroup(name="outcomes", version=1, entity=ACCOUNT, features=(Feature("is_late", "bool"),), contract=_OWNER)
VIEW = FeatureView(
    name="account_risk",
    version=1,
    spine=QUESTIONS,
    at="asked_at",
    features=tuple(group.all_features for group in FEATURE_GROUPS),
    label=OUTCOMES["is_late"],
)
DATASET = TrainingDataset(name="account_risk", view=VIEW, split=TimeSplit(validation_days=1, test_days=1), owner="team:benchmarks")
MODEL = Model(name="account_risk", dataset=DATASET, owner="team:benchmarks", gates=())
