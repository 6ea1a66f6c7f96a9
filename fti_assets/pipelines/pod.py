"""Training in a pod, through Dagster's Pipes client for Kubernetes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dagster as dg
from dagster_k8s import PipesK8sClient
from dagster_k8s.client import DagsterK8sError
from dagster_k8s.pipes import PipesK8sPodLogsMessageReader

from fti_assets.compute.kubernetes import PodEnd, cause_of_end, pod_spec
from fti_assets.compute.profiles import KubernetesProfile
from fti_assets.model_registry import ModelVersion
from fti_assets.pipelines.child_process import WORKER
from fti_assets.pipelines.training_task import TrainingTask

SPEC_VARIABLE = "FTI_TRAINING_SPEC"
_STATUS_SECONDS = 30.0


def train_in_pod(task: TrainingTask, profile: KubernetesProfile) -> ModelVersion:
    """Trains in a pod. Its stores are those that the profile's variables and secrets name, not those of this process.

    Raises:
        TrainingFailedError: the worker failed or died; the error says of what.
    """
    spec = task.spec(device="cuda" if profile.gpus else "cpu")
    reader, cause = PodReader(), ""
    try:
        PipesK8sClient(message_reader=reader).run(
            context=task.context.op_execution_context,
            namespace=profile.namespace,
            base_pod_meta={"labels": pod_labels(task.program.model.name)},
            base_pod_spec=pod_spec(profile, ["python", *WORKER, f"env:{SPEC_VARIABLE}"], {SPEC_VARIABLE: spec.encoded}),
            pod_wait_timeout=0,  # the profile's own limit is the pod's
        )
    except DagsterK8sError as error:
        cause = cause_of_end(reader.end, profile) if reader.end else str(error)
    return task.version(reader.said, cause or "It ended without having said what came of it.")


def pod_labels(model: str) -> dict[str, str]:
    """By which the pods that train a model are found."""
    return {"fti/model": model}


class PodReader(PipesK8sPodLogsMessageReader):
    """Reads messages from the log of a pod, and remembers what the worker said last and how the pod ended: it is deleted then.

    Attributes:
        said: the last message of the worker.
        end: how the pod ended; None if it did not start.
    """

    def __init__(self) -> None:
        self.said: dict[str, Any] | None = None
        self.end: PodEnd | None = None

    @contextmanager
    def read_messages(self, handler: Any) -> Iterator[Any]:
        with super().read_messages(handler) as params:
            try:
                yield params
            finally:
                said = handler.get_custom_messages()
                self.said = said[-1] if said else None

    def consume_pod_logs(
        self, context: dg.OpExecutionContext | dg.AssetExecutionContext, core_api: Any, pod_name: str, namespace: str
    ) -> None:
        super().consume_pod_logs(context=context, core_api=core_api, pod_name=pod_name, namespace=namespace)
        deadline = time.monotonic() + _STATUS_SECONDS
        while True:  # the log ends a moment before the pod does
            status = core_api.read_namespaced_pod(pod_name, namespace).status
            if status.phase in ("Succeeded", "Failed") or time.monotonic() > deadline:
                self.end = end_of(status)
                return
            time.sleep(1)


def end_of(status: Any) -> PodEnd:
    """What the client's V1PodStatus says of the end of a pod with one container."""
    containers = status.container_statuses or []
    ended = containers[0].state.terminated if containers and containers[0].state else None
    return PodEnd(
        pod_reason=status.reason,
        pod_message=status.message,
        reason=ended.reason if ended else None,
        exit_code=ended.exit_code if ended else None,
    )
