from fti_assets import (
    code_location,
    model_validation,
    training_dataset,
    training_pipeline,
)
from fti_assets_tests.cli.shop import models
from fti_assets_tests.cli.shop.contracts import DATASET, MODEL

purchase_dataset = training_dataset(DATASET)
purchase = training_pipeline(models.purchase)
purchase_validation = model_validation(MODEL)
defs = code_location(__name__, name="shop_training")
