"""Payments of accounts as events, and what a view makes of them in windows."""

from __future__ import annotations

from datetime import timedelta

from fti_assets.vocabulary import Column, Contract, Daily, Entity, Feature, FeatureGroup, FeatureView, aggregate

_OWNER = Contract(owner="team:benchmarks")
_WINDOW = timedelta(days=7)
ACCOUNT = Entity("account", (Column("account_id", "int"),))
PAYMENTS = FeatureGroup(
    name="payments",
    version=1,
    entity=Entity("payment", (Column("payment_id", "int"),)),
    event_time="paid_at",
    cadence=Daily(start="2025-01-01"),
    features=(Feature("account_id", "int"), Feature("amount", "float"), Feature("shop", "string")),
    contract=_OWNER,
    online=True,
)
QUESTIONS = FeatureGroup(
    name="payment_questions",
    version=1,
    entity=ACCOUNT,
    event_time="asked_at",
    cadence=Daily(start="2025-01-01"),
    features=(Feature("channel", "int"),),
    contract=_OWNER,
)
OUTCOMES = FeatureGroup(
    name="payment_outcomes", version=1, entity=ACCOUNT, features=(Feature("is_fraud", "bool"),), contract=_OWNER
)
COUNT = aggregate.count(last=_WINDOW, name="payments_7d")
VIEW = FeatureView(
    name="account_payments",
    version=1,
    spine=QUESTIONS,
    at="asked_at",
    features=(
        PAYMENTS.windowed(
            COUNT,
            aggregate.sum("amount", last=_WINDOW, name="amount_7d"),
            aggregate.max("amount", last=_WINDOW, name="largest_7d"),
            by=("account_id",),
        ),
    ),
    label=OUTCOMES["is_fraud"],
)
