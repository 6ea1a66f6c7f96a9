"""Training in a pod, through Dagster's Pipes client for Kubernetes."""

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import dagster as dg
from dagster._core.pipes.utils import extract_message_or_forward_to_stdout
from dagster_k8s import PipesK8sClient
from dagster_k8s.client import DagsterK8sAPIRetryLimitExceeded, DagsterK8sError, DagsterK8sUnrecoverableAPIError
from dagster_k8s.pipes import PipesK8sPodLogsMessageReader
from kubernetes.client.exceptions import ApiException
from kubernetes.config.config_exception import ConfigException
from urllib3.exceptions import HTTPError

from fti_assets.compute.kubernetes import PodEnd, cause_of_end, pod_spec
from fti_assets.compute.profiles import KubernetesProfile
from fti_assets.pipelines.child_process import WORKER
from fti_assets.pipelines.training_task import TrainingTask, said_by_worker

SPEC_VARIABLE = "FTI_TRAINING_SPEC"
API_ERRORS = (ApiException, HTTPError, DagsterK8sAPIRetryLimitExceeded, DagsterK8sUnrecoverableAPIError)
_STATUS_SECONDS = 30.0


def run_in_pod(task: TrainingTask, profile: KubernetesProfile) -> Mapping[str, Any]:
    """Does a task in a pod; returns what its worker told.

    Its stores are those that the profile's variables and secrets name, not those of this process.

    Raises:
        TrainingFailedError: the worker failed or died; the error says of what.
    """
    spec = task.spec(device="cuda" if profile.gpus else "cpu")
    reader, cause = PodReader(), ""
    try:
        PodClient(message_reader=reader).run(
            context=task.context.op_execution_context,
            namespace=profile.namespace,
            base_pod_meta=pod_metadata(task.program.model.name, owner_of_pod(profile.namespace)),
            base_pod_spec=pod_spec(profile, ["python", *WORKER, f"env:{SPEC_VARIABLE}"], {SPEC_VARIABLE: spec.encoded}),
            pod_wait_timeout=0,  # the profile's own limit is the pod's
        )
    except DagsterK8sError as error:
        cause = cause_of_end(reader.end, profile) if reader.end else str(error)
    except (*API_ERRORS, ConfigException) as error:
        cause = cause_of_refusal(error)
    return task.answer(reader.said, cause or "It ended without having said what came of it.")


def pod_metadata(model: str, owner: Mapping[str, object] | None) -> dict[str, Any]:
    """By which the pods that train a model are found, and what they are deleted with."""
    return {"labels": {"fti/model": model}, **({"ownerReferences": [owner]} if owner else {})}


def owner_of_pod(namespace: str | None, environment: Mapping[str, str] = os.environ) -> dict[str, object] | None:
    """The pod of this process, if it knows its own name, as the owner of a pod in `namespace`: what it owns is deleted with it.

    An owner in another namespace counts as absent, and what it owns is deleted at once; so there is none then.
    """
    name, uid, own = (environment.get(f"FTI_POD_{what}") for what in ("NAME", "UID", "NAMESPACE"))
    if not (name and uid and own) or (namespace or own) != own:
        return None
    return {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid}


def cause_of_refusal(error: Exception) -> str:
    """What is told of the client's errors."""
    if isinstance(error, ApiException):
        return f"Kubernetes answered {error.status} {error.reason}. {error.body or ''}".rstrip()
    return f"Kubernetes did not answer: {error}"


class PodClient(PipesK8sClient):
    """Hears a pod also where it ended before it was ready: its log and its status are read before it is deleted."""

    @contextmanager
    def consume_pod_logs(self, **given: Any) -> Iterator[None]:
        try:
            with super().consume_pod_logs(**given):
                yield
        except DagsterK8sError:
            self.message_reader.look_back(given["client"].core_api, given["pod_name"], given["namespace"])
            raise


class PodReader(PipesK8sPodLogsMessageReader):
    """Reads messages from the log of a pod, and remembers what the worker said last and how the pod ended: it is deleted then.

    Attributes:
        said: the last message of the worker.
        end: how the pod ended; None if it did not start.
    """

    def __init__(self) -> None:
        self.said: Mapping[str, Any] | None = None
        self.end: PodEnd | None = None
        self._heard = False

    @contextmanager
    def read_messages(self, handler: Any) -> Iterator[Any]:
        with super().read_messages(handler) as params:
            try:
                yield params
            finally:
                self.said = said_by_worker(handler.get_custom_messages())

    def consume_pod_logs(
        self, context: dg.OpExecutionContext | dg.AssetExecutionContext, core_api: Any, pod_name: str, namespace: str
    ) -> None:
        self._heard = True
        super().consume_pod_logs(context=context, core_api=core_api, pod_name=pod_name, namespace=namespace)
        deadline = time.monotonic() + _STATUS_SECONDS
        while True:  # the log ends a moment before the pod does
            status = core_api.read_namespaced_pod(pod_name, namespace).status
            if status.phase in ("Succeeded", "Failed") or time.monotonic() > deadline:
                self.end = end_of(status)
                return
            time.sleep(1)

    def look_back(self, core_api: Any, pod_name: str, namespace: str) -> None:
        """Reads what a pod that is not running any more has written, unless that was heard, and how it ended."""
        with suppress(*API_ERRORS):
            if not self._heard:
                self._heard = True
                for line in core_api.read_namespaced_pod_log(pod_name, namespace).splitlines():
                    extract_message_or_forward_to_stdout(self._handler, line)
            status = core_api.read_namespaced_pod(pod_name, namespace).status
            if status.phase in ("Succeeded", "Failed"):
                self.end = end_of(status)


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
