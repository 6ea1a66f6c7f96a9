import pytest

from fti_assets.training import TrainingRun, XGBoostTrainer

from .examples import write_dataset


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("training_dataset"))


@pytest.fixture(scope="session")
def fitted(data):
    return XGBoostTrainer(rounds=200, early_stopping_rounds=10, metrics=("auc", "logloss")).fit(data, TrainingRun(threads=1))


@pytest.fixture
def registry(tmp_path, put_registry):
    return put_registry(tmp_path)
