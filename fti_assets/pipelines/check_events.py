"""Asset check results of many partitions, reported in one batch.

A run over a range of partitions can yield one result for each check, which Dagster stores without a partition. Here the
result of each partition is reported as an event of that run and step, so that the UI shows it on its partition.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from uuid import uuid4

import dagster as dg
from dagster._core.definitions.metadata import RawMetadataValue
from dagster._core.events import DagsterEvent, DagsterEventBatchMetadata, DagsterEventType

from fti_assets.pipelines.specs import severity_of
from fti_assets.validation import ExpectationResult


def report_by_partition(context: dg.AssetExecutionContext, key: dg.AssetKey, results: Sequence[ExpectationResult]) -> None:
    """Stores each result as the evaluation of its asset check on its partition."""
    batch, last = str(uuid4()), len(results) - 1
    for n, result in enumerate(results):
        event = DagsterEvent(
            event_type_value=DagsterEventType.ASSET_CHECK_EVALUATION.value,
            job_name=context.run.job_name,
            step_key=context.get_step_execution_context().step.key,
            event_specific_data=evaluation(key, result),
            message=f"{result.expectation.name} on {result.partition}: {result.observed}",
        )
        context.instance.report_dagster_event(
            event, context.run.run_id, logging.DEBUG, batch_metadata=DagsterEventBatchMetadata(batch, n == last)
        )


def evaluation(key: dg.AssetKey, result: ExpectationResult) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=key,
        check_name=result.expectation.name,
        passed=result.passed,
        severity=severity_of(result.expectation),
        metadata={"observed": result.observed, "unexpected": result.unexpected, "rows": result.rows},
        partition=result.partition,
    )


def summary(key: dg.AssetKey, results: Sequence[ExpectationResult]) -> dg.AssetCheckResult:
    """One check over all partitions of a run: the verdict, and the partitions on which it failed."""
    expectation = results[0].expectation
    failed = [result for result in results if not result.passed]
    metadata: dict[str, RawMetadataValue] = {
        "rows": sum(result.rows for result in results),
        "unexpected": sum(result.unexpected for result in results),
    }
    if len(results) == 1:
        metadata["observed"] = results[0].observed
    elif failed:
        metadata["failed_partitions"] = ", ".join(result.partition for result in failed[:20])
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=expectation.name,
        passed=not failed,
        severity=severity_of(expectation),
        description=expectation.sentence,
        metadata=metadata,
    )
