from fti_assets import (
    Column,
    Contract,
    Daily,
    Entity,
    Feature,
    FeatureGroup,
    FeatureView,
    Gate,
    Model,
    Monitor,
    Predictions,
    StagedTable,
    TimeSplit,
    TrainingDataset,
    expect,
)

DAYS = Daily(start="2025-03-01", end="2025-04-10", timezone="Europe/Paris")
OWNER = "team:shop"
VISIT = Entity("visit", keys=(Column("visit_id", "int"),))
PROMISE = Contract(owner=OWNER, expectations=(expect.row_count(low=1),))

STAGED_VISITS = StagedTable(
    name="visits",
    key=("visit_id",),
    time="visited_at",
    cadence=DAYS,
    columns=(
        Column("visit_id", "int"),
        Column("visited_at", "timestamp"),
        Column("pages", "float"),
        Column("ordered", "bool"),
    ),
    contract=PROMISE,
)
VISITS = FeatureGroup(
    name="visits",
    version=1,
    entity=VISIT,
    event_time="visited_at",
    cadence=DAYS,
    description="Visits, as they begin.",
    features=(Feature("pages", "float", "Pages looked at.", unit="pages"),),
    contract=Contract(owner=OWNER, expectations=(expect.between("pages", 0, 3, severity="warning"), expect.not_null("pages"))),
)
ORDERS = FeatureGroup(
    name="orders",
    version=1,
    entity=VISIT,
    event_time="known_at",
    cadence=DAYS,
    features=(Feature("ordered", "bool", "The label."),),
    contract=PROMISE,
)
VIEW = FeatureView(name="purchase", version=1, spine=VISITS, at="visited_at", features=(VISITS["pages"],), label=ORDERS["ordered"])
DATASET = TrainingDataset(name="purchase", view=VIEW, split=TimeSplit(validation_days=7, test_days=10), owner=OWNER)
MODEL = Model(name="purchase", dataset=DATASET, owner=OWNER, gates=(Gate(metric="auc", minimum=0.6),))
PREDICTIONS = Predictions(
    name="purchase", model=MODEL, contract=Contract(owner=OWNER, expectations=(expect.between("prediction", 0, 1),))
)
MONITOR = Monitor(name="purchase", predictions=PREDICTIONS, contract=Contract(owner=OWNER))
