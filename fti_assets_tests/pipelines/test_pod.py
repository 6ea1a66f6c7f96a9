"""The Dagster side of pods, as far as it can be tried without a cluster: what the client makes of ours, what ours reads of it."""

import json

import kubernetes
import kubernetes_validate
from dagster_k8s.pipes import build_pod_body

from fti_assets.compute import KubernetesProfile, Toleration
from fti_assets.compute.kubernetes import PodEnd, pod_spec
from fti_assets.pipelines.pod import SPEC_VARIABLE, end_of, pod_labels
from fti_assets.training import TrainingSpec

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


def test_the_pod_that_dagsters_client_makes_of_ours_is_one_that_kubernetes_accepts():
    body = build_pod_body(
        pod_name="dagster-run-1",
        image=None,
        command=None,
        env_vars={"DAGSTER_PIPES_CONTEXT": "abc", "DAGSTER_PIPES_MESSAGES": "def"},
        base_pod_meta={"labels": pod_labels("flight_delay")},
        base_pod_spec=pod_spec(PROFILE, ["python"], {SPEC_VARIABLE: SPEC.encoded}),
    )

    made = kubernetes.client.ApiClient().sanitize_for_serialization(body)
    kubernetes_validate.validate({"apiVersion": "v1", "kind": "Pod", **made}, kubernetes_validate.latest_version(), strict=True)
    (container,) = made["spec"]["containers"]
    assert container["image"] == "fti-training:1"
    assert container["resources"]["limits"] == {"memory": "16Gi", "nvidia.com/gpu": "1"}
    assert made["spec"]["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert made["metadata"]["labels"]["fti/model"] == "flight_delay"
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
