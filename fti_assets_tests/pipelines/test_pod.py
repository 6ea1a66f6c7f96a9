"""The Dagster side of pods, as far as it can be tried without a cluster: what the client makes of ours, what ours reads of it."""

import json
from types import SimpleNamespace

import dagster as dg
import kubernetes
import kubernetes_validate
import pytest
from dagster_k8s.client import DagsterKubernetesClient
from dagster_k8s.pipes import PipesK8sClient, build_pod_body
from kubernetes.client.exceptions import ApiException

from fti_assets.compute import Choice, KubernetesProfile, Toleration
from fti_assets.compute.kubernetes import PodEnd, pod_spec
from fti_assets.pipelines.failures import told_plainly
from fti_assets.pipelines.pod import SPEC_VARIABLE, end_of, owner_of_pod, pod_metadata, run_in_pod
from fti_assets.pipelines.training_task import TrainingTask
from fti_assets.training import TrainingSpec
from fti_assets.training.spec import RESULT
from fti_assets_tests.conftest import reasons
from fti_assets_tests.training import programs

PROFILE = KubernetesProfile(
    image="fti-training:1",
    gpus=1,
    node_selector={"fti/pool": "gpu"},
    tolerations=(Toleration(key="nvidia.com/gpu", effect="NoSchedule"),),
    limits={"memory": "16Gi"},
    env={"FTI_DATA_DIR": "/data"},
    secrets=("fti-stores",),
    claims={"/data": "fti-data"},
    timeout_seconds=60,
)
SPEC = TrainingSpec(program="a.b:c", device="cuda")
OWN_POD = {"FTI_POD_NAME": "dagster-run-5f", "FTI_POD_UID": "6a", "FTI_POD_NAMESPACE": "ml"}


def test_the_pod_that_dagsters_client_makes_of_ours_is_one_that_kubernetes_accepts():
    body = build_pod_body(
        pod_name="dagster-run-1",
        image=None,
        command=None,
        env_vars={"DAGSTER_PIPES_CONTEXT": "abc", "DAGSTER_PIPES_MESSAGES": "def"},
        base_pod_meta=pod_metadata("flight_delay", owner_of_pod(None, OWN_POD)),
        base_pod_spec=pod_spec(PROFILE, ["python"], {SPEC_VARIABLE: SPEC.encoded}),
    )

    made = kubernetes.client.ApiClient().sanitize_for_serialization(body)
    kubernetes_validate.validate({"apiVersion": "v1", "kind": "Pod", **made}, kubernetes_validate.latest_version(), strict=True)
    (container,) = made["spec"]["containers"]
    assert container["image"] == "fti-training:1"
    assert container["resources"]["limits"] == {"memory": "16Gi", "nvidia.com/gpu": "1"}
    assert made["spec"]["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert made["metadata"]["labels"]["fti/model"] == "flight_delay"
    (owner,) = made["metadata"]["ownerReferences"]
    assert owner == {"apiVersion": "v1", "kind": "Pod", "name": "dagster-run-5f", "uid": "6a"}
    variables = {variable["name"]: variable["value"] for variable in container["env"]}
    assert TrainingSpec.of_encoded(variables[SPEC_VARIABLE]) == SPEC
    assert set(variables) == {"FTI_DATA_DIR", SPEC_VARIABLE, "DAGSTER_PIPES_CONTEXT", "DAGSTER_PIPES_MESSAGES"}


def read(status):
    """A pod's status as the client reads it from what the cluster answers."""
    answer = type("Answer", (), {"data": json.dumps(status)})()
    return kubernetes.client.ApiClient().deserialize(answer, "V1PodStatus")


def test_the_end_of_a_pod_is_read_from_its_status():
    killed = {
        "phase": "Failed",
        "containerStatuses": [
            {
                "name": "training",
                "image": "fti-training:1",
                "imageID": "1",
                "ready": False,
                "restartCount": 0,
                "state": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
            }
        ],
    }

    assert end_of(read(killed)) == PodEnd(reason="OOMKilled", exit_code=137)
    assert end_of(read({"phase": "Failed", "reason": "Evicted", "message": "The node was low on disk."})) == PodEnd(
        pod_reason="Evicted", pod_message="The node was low on disk."
    )


def test_a_pod_belongs_to_the_pod_of_its_run_in_the_same_namespace_only():
    """An owner in another namespace counts as absent, and the pod would be deleted at once."""
    assert owner_of_pod("ml", OWN_POD) == owner_of_pod(None, OWN_POD) != None  # noqa: E711 - all three
    assert owner_of_pod("gpus", OWN_POD) is None
    assert owner_of_pod(None, {}) is None
    assert "ownerReferences" not in pod_metadata("flight_delay", None)


class Cluster:
    """Answers the client as a cluster does in which every pod ends before it is ready, or none is allowed."""

    def __init__(self, *, log=(), exit_code=1, refuses=False):
        self.log, self.exit_code, self.refuses, self.pods = log, exit_code, refuses, []

    def create_namespaced_pod(self, namespace, body):
        if self.refuses:
            raise ApiException(status=403, reason="Forbidden")
        self.pods.append(body.metadata.name)

    def read_namespaced_pod(self, name, namespace):
        assert name in self.pods
        terminated = {"exitCode": self.exit_code, "reason": "OOMKilled" if self.exit_code == 137 else "Error"}
        container = {"name": "training", "image": "i", "imageID": "1", "ready": False, "restartCount": 0}
        status = {"phase": "Failed", "containerStatuses": [{**container, "state": {"terminated": terminated}}]}
        return SimpleNamespace(status=read(status))

    def list_namespaced_pod(self, namespace, field_selector):
        return SimpleNamespace(items=[self.read_namespaced_pod(field_selector.partition("=")[2], namespace)])

    def read_namespaced_pod_log(self, name, namespace, **options):
        assert name in self.pods
        text = "\n".join(self.log)
        return text if options.get("_preload_content", True) else SimpleNamespace(data=text.encode())

    def delete_namespaced_pod(self, name, namespace):
        self.pods.remove(name)


def message(payload):
    """A line by which a program in a pod reports to Dagster."""
    return json.dumps({"__dagster_pipes_version": "0.1", "method": "report_custom_message", "params": {"payload": payload}})


@pytest.fixture
def reason(monkeypatch):
    """Why a task failed that was given to a cluster."""
    monkeypatch.setattr(PipesK8sClient, "_load_k8s_config", lambda self: None)

    def call(cluster):
        client = DagsterKubernetesClient(None, cluster, logger=str, sleeper=lambda seconds: None, timer=lambda: 0.0)
        monkeypatch.setattr(DagsterKubernetesClient, "production_client", lambda: client)

        @dg.asset
        def probe(context: dg.AssetExecutionContext) -> None:
            task = TrainingTask(
                program=programs.tiny, context=context, lake=None, registry=None, choice=Choice("pods", PROFILE, "a test")
            )
            vars(task)["manifest"] = SimpleNamespace(id="1")
            with told_plainly():
                run_in_pod(task, PROFILE)

        quiet = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
        (told,) = reasons(dg.materialize([probe], run_config=quiet, raise_on_error=False))
        assert cluster.pods == []
        return told

    return call


def test_a_pod_that_fails_before_it_is_ready_says_why(reason):
    failed = message({RESULT: {"failed": "Dataset '5' of flights is not there."}})

    assert reason(Cluster(log=["importing", failed])) == "Dataset '5' of flights is not there."
    assert reason(Cluster(exit_code=137)).endswith("The kernel killed it for lack of memory; its limit is 16Gi.")


def test_what_a_program_reports_is_not_taken_for_the_result(reason):
    own = message({"model": "flights", "version": 1})

    assert "died. It ended with exit code 1" in reason(Cluster(log=[own]))


def test_what_kubernetes_refuses_is_told(reason):
    assert "died. Kubernetes answered 403 Forbidden." in reason(Cluster(refuses=True))
