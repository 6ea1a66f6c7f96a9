from fti_assets import (
    FittedModel,
    TrainingData,
    XGBoostTrainer,
    code_location,
    model_validation,
    training_dataset,
    training_pipeline,
)
from fti_assets_tests.cli.shop.contracts import DATASET, MODEL

purchase_dataset = training_dataset(DATASET)


@training_pipeline(MODEL, baseline=("pages",))
def purchase(data: TrainingData) -> FittedModel:
    return XGBoostTrainer(max_depth=2, learning_rate=0.3).fit(data)


purchase_validation = model_validation(MODEL)
defs = code_location(__name__, name="shop_training")
