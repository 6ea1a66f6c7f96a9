"""Pods as they are asked for, held against Kubernetes' own schema. There is no cluster here."""

import kubernetes_validate
import pytest

from fti_assets.compute import KubernetesProfile, Toleration
from fti_assets.compute.kubernetes import PodEnd, cause_of_end, pod_spec

COMMAND = ("python", "-m", "fti_assets.training.worker", "env:SPEC")
SMALL = KubernetesProfile(image="fti-training:1")
WHOLE = KubernetesProfile(
    image="registry.example.org/fti-training:1",
    gpus=2,
    node_selector={"fti/pool": "gpu"},
    tolerations=(
        Toleration(key="nvidia.com/gpu", effect="NoSchedule"),
        Toleration(key="team", operator="Equal", value="ml", effect="NoExecute", tolerationSeconds=60),
    ),
    requests={"cpu": "4", "memory": "8Gi"},
    limits={"memory": "16Gi"},
    env={"FTI_DATA_DIR": "/data"},
    secrets=("fti-stores", "mlflow"),
    service_account="trainer",
    image_pull_secrets=("registry",),
    claims={"/data": "fti-data", "/cache": "fti-cache"},
    timeout_seconds=3600,
)


def validated(spec):
    """Raises for a field that Kubernetes does not know, or a value that it would refuse."""
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "training"}, "spec": spec}
    kubernetes_validate.validate(pod, kubernetes_validate.latest_version(), strict=True)
    return spec


@pytest.mark.parametrize("profile", [pytest.param(SMALL, id="least"), pytest.param(WHOLE, id="everything")])
def test_the_pod_of_a_profile_is_one_that_kubernetes_accepts(profile):
    validated(pod_spec(profile, COMMAND, {"SPEC": "e30="}))


def test_the_schema_refuses_what_it_should():
    """So that the test above says something."""
    spec = pod_spec(WHOLE, COMMAND, {})

    with pytest.raises(kubernetes_validate.ValidationError, match="nodeSelektor"):
        validated({**spec, "nodeSelektor": {"fti/pool": "gpu"}})
    with pytest.raises(kubernetes_validate.ValidationError):
        validated({**spec, "activeDeadlineSeconds": "soon"})


def test_the_profile_is_in_the_pod():
    spec = pod_spec(WHOLE, COMMAND, {"SPEC": "e30="})
    (container,) = spec["containers"]

    assert spec["restartPolicy"] == "Never"
    assert spec["activeDeadlineSeconds"] == 3600
    assert spec["nodeSelector"] == {"fti/pool": "gpu"}
    assert spec["tolerations"][0] == {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}
    assert spec["serviceAccountName"] == "trainer"
    assert container["command"] == list(COMMAND)
    assert container["resources"] == {
        "requests": {"cpu": "4", "memory": "8Gi"},
        "limits": {"memory": "16Gi", "nvidia.com/gpu": "2"},
    }
    assert container["env"] == [{"name": "FTI_DATA_DIR", "value": "/data"}, {"name": "SPEC", "value": "e30="}]
    assert container["envFrom"] == [{"secretRef": {"name": "fti-stores"}}, {"secretRef": {"name": "mlflow"}}]
    mounted = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    claimed = {volume["name"]: volume["persistentVolumeClaim"]["claimName"] for volume in spec["volumes"]}
    assert {mounted[name]: claim for name, claim in claimed.items()} == {"/data": "fti-data", "/cache": "fti-cache"}


def test_a_pod_without_an_account_gets_no_token_of_the_cluster():
    assert pod_spec(SMALL, COMMAND, {})["automountServiceAccountToken"] is False
    assert pod_spec(WHOLE, COMMAND, {})["automountServiceAccountToken"] is True


def test_the_group_of_the_images_may_write_the_claims():
    assert pod_spec(SMALL, COMMAND, {})["securityContext"] == {"fsGroup": 1000}
    assert "securityContext" not in pod_spec(KubernetesProfile(image="other:1", fs_group=None), COMMAND, {})


@pytest.mark.parametrize(
    ("end", "said"),
    [
        pytest.param(PodEnd(reason="OOMKilled", exit_code=137), "for lack of memory; its limit is 16Gi", id="memory"),
        pytest.param(PodEnd(pod_reason="DeadlineExceeded"), "its time limit is 3600 s", id="time"),
        pytest.param(
            PodEnd(pod_reason="Evicted", pod_message="The node was low on disk."),
            "Evicted. The node was low on disk.",
            id="evicted",
        ),
        pytest.param(PodEnd(reason="Error", exit_code=139), "It was killed by SIGSEGV", id="signal"),
        pytest.param(PodEnd(reason="Error", exit_code=1), "It ended with exit code 1", id="exit_code"),
        pytest.param(PodEnd(), "Kubernetes does not say why", id="unknown"),
    ],
)
def test_the_end_of_a_pod_is_told(end, said):
    assert said in cause_of_end(end, WHOLE)
