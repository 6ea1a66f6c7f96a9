from fti_assets import FittedModel, TrainingData, TrainingRun, XGBoostTrainer, training_program
from fti_assets_tests.cli.shop.contracts import MODEL


@training_program(MODEL, baseline=("pages",))
def purchase(data: TrainingData, run: TrainingRun) -> FittedModel:
    return XGBoostTrainer(max_depth=2, learning_rate=0.3).fit(data, run)
