"""By which tags a repeated run is known, and which failures are worth repeating."""

import dagster as dg
import pytest

from fti_assets.errors import FtiError
from fti_assets.model_registry import RegistryLockedError
from fti_assets.pipelines.failures import told_plainly
from fti_assets.pipelines.run_tags import run_tags

DAYS = dg.StaticPartitionsDefinition(["2024-01-01"])


def tags_in(run_id, *, partition=None, root=None):
    """What an asset finds, in a run that repeats `root` if that is given."""
    found = {}

    @dg.multi_asset(specs=[dg.AssetSpec(["models", "delay"], partitions_def=DAYS if partition else None)])
    def fit(context: dg.AssetExecutionContext):
        found.update(run_tags(context))

    with dg.DagsterInstance.ephemeral() as instance:
        tags = {"dagster/root_run_id": root} if root else {}
        result = dg.materialize([fit], instance=instance, partition_key=partition, tags=tags)
    assert result.success
    return {name: run_id if value == result.run_id else value for name, value in found.items()}


def test_a_run_is_its_own_root():
    assert tags_in("it") == {"asset": "models/delay", "dagster_run_id": "it", "dagster_root_run_id": "it"}


def test_a_run_that_is_executed_once_more_has_the_root_of_the_first():
    found = tags_in("second", partition="2024-01-01", root="first")
    assert (found["dagster_run_id"], found["dagster_root_run_id"], found["partition"]) == ("second", "first", "2024-01-01")


@pytest.mark.parametrize(
    ("error", "retried"), [pytest.param(RegistryLockedError, True, id="busy"), pytest.param(FtiError, False, id="any_other")]
)
def test_a_registry_that_is_busy_is_worth_a_retry(error, retried):
    with pytest.raises(dg.Failure) as failure, told_plainly():
        raise error("It was locked.")
    assert failure.value.allow_retries is retried
