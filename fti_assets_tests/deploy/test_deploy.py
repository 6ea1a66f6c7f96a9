"""The example of a deployment says what this package defines, and what Kubernetes accepts."""

import re
import tomllib
from importlib.util import find_spec

import kubernetes_validate
import pytest
import yaml

from fti_assets.compute import KubernetesProfile, read_profiles
from fti_assets.compute.kubernetes import pod_spec
from fti_assets.pipelines.pod import owner_of_pod
from fti_assets_tests.conftest import WORKSPACE

ROOT = WORKSPACE.parent
DEPLOY = ROOT / "deploy"
VALUES = yaml.safe_load((DEPLOY / "dagster-values.yaml").read_text())
STORES = list(yaml.safe_load_all((DEPLOY / "stores.yaml").read_text()))
SERVING = list(yaml.safe_load_all((DEPLOY / "serving.yaml").read_text()))
SERVER = "serving"
PROFILES = read_profiles(DEPLOY / "compute.yaml")
PODS = {name: profile for name, profile in PROFILES.items() if isinstance(profile, KubernetesProfile)}


def validate(manifest):
    kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize("manifest", [pytest.param(one, id=one["kind"]) for one in (*STORES, *SERVING)])
def test_manifests_are_what_kubernetes_accepts(manifest):
    validate(manifest)


@pytest.mark.parametrize("name", PODS)
def test_training_pods_are_what_kubernetes_accepts(name):
    spec = pod_spec(PODS[name], ["python"], {})

    validate({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "training"}, "spec": spec})


def test_models_that_need_a_gpu_go_to_the_pool_of_nodes_that_have_one():
    gpu = PODS["gpu"]

    assert gpu.gpus == 1
    assert gpu.node_selector == {"fti/pool": "gpu"}
    assert [toleration.key for toleration in gpu.tolerations] == ["nvidia.com/gpu"]
    assert gpu.timeout_seconds


@pytest.mark.parametrize("name", PODS)
def test_training_pods_find_the_stores_that_everything_else_uses(name):
    config = next(one["data"] for one in STORES if one["kind"] == "ConfigMap")
    of_others = ("FTI_COMPUTE_FILE", "FTI_MLFLOW_URL", "FTI_ONLINE_STORE")
    stores = {variable: value for variable, value in config.items() if variable not in of_others}

    assert PODS[name].env == stores
    assert PODS[name].claims == {stores["FTI_DATA_DIR"]: "fti-data"}


@pytest.mark.parametrize("file", sorted((DEPLOY / "images").iterdir()), ids=lambda file: file.stem)
def test_an_image_installs_extras_that_exist_and_serves_its_part(file):
    text = file.read_text()
    extras = re.search(r"'\.\[([\w,]+)\]'", text)[1].split(",")
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]

    assert set(extras) <= set(known)
    assert file.stem in extras
    parts = {"features", "training", "inference", SERVER}
    assert set(extras) & parts == {file.stem}
    assert ('"fti", "serve"' if file.stem == SERVER else f"fti_assets.locations.{file.stem}") in text
    copied = re.findall(r"^COPY (.+) \S+$", text, flags=re.MULTILINE)
    assert all((ROOT / name).exists() for line in copied for name in line.split())


def test_the_chart_serves_the_locations_of_the_workspace_from_these_images():
    workspace = yaml.safe_load(WORKSPACE.read_text())["load_from"]
    deployments = VALUES["dagster-user-deployments"]["deployments"]

    served = [deployment["dagsterApiGrpcArgs"][-1] for deployment in deployments]
    assert served == [one["python_module"]["module_name"] for one in workspace]
    assert all(find_spec(module) for module in served)
    images = {deployment["image"]["repository"].rpartition("fti-")[2] for deployment in deployments}
    assert images == {file.stem for file in (DEPLOY / "images").iterdir()} - {SERVER}
    training = next(one["image"] for one in deployments if one["name"] == "training")
    assert {profile.image for profile in PODS.values()} == {f"{training['repository']}:{training['tag']}"}


def test_the_server_is_what_its_image_says_and_finds_the_stores():
    deployment, service = SERVING
    pod = deployment["spec"]["template"]
    (container,) = pod["spec"]["containers"]
    text = (DEPLOY / "images" / f"{SERVER}.Dockerfile").read_text()
    port = container["ports"][0]["containerPort"]

    assert container["image"].startswith(f"registry.example.org/fti-{SERVER}:")
    assert f"EXPOSE {port}" in text
    assert f'"--port", "{port}"' in text
    assert container["envFrom"][0]["configMapRef"]["name"] == "fti-stores"
    (claim,) = [volume["persistentVolumeClaim"]["claimName"] for volume in pod["spec"]["volumes"]]
    assert {claim, "fti-stores"} == {one["metadata"]["name"] for one in STORES}
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    assert service["spec"]["ports"][0]["targetPort"] == container["ports"][0]["name"]


def test_the_server_is_asked_for_what_it_answers():
    """Alive as long as it runs, ready once it can predict; and the address is beyond its own pod, so there are keys."""
    answered = (ROOT / "fti_assets" / "serving" / "app.py").read_text()
    (container,) = SERVING[0]["spec"]["template"]["spec"]["containers"]
    probes = {name: container[name]["httpGet"]["path"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}

    assert probes == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
    assert all(f'"{path}"' in answered for path in probes.values())
    assert container["envFrom"][1]["secretRef"]["name"] == "fti-serving"
    assert "secret generic fti-serving --from-literal=FTI_API_KEYS=" in (DEPLOY / "README.md").read_text()


def test_where_several_nodes_read_the_online_store_is_no_file():
    config = next(one["data"] for one in STORES if one["kind"] == "ConfigMap")

    assert config["FTI_ONLINE_STORE"].startswith("redis://")
    for file in ("inference", SERVER):
        assert "redis" in (DEPLOY / "images" / f"{file}.Dockerfile").read_text()


def test_the_chart_limits_what_dagster_yaml_limits():
    here = yaml.safe_load((ROOT / "dagster.yaml").read_text())["concurrency"]
    there = VALUES["concurrency"]

    assert there["pools"] == {"defaultLimit": here["pools"]["default_limit"], "granularity": here["pools"]["granularity"]}
    assert there["runs"]["tagConcurrencyLimits"] == here["runs"]["tag_concurrency_limits"]


def test_the_images_user_may_write_the_shared_folder():
    user = {re.search(r"useradd --uid (\d+)", file.read_text())[1] for file in (DEPLOY / "images").iterdir()}
    of_server = SERVING[0]["spec"]["template"]["spec"]["securityContext"]
    groups = [deployment["podSecurityContext"]["fsGroup"] for deployment in VALUES["dagster-user-deployments"]["deployments"]]
    runs = VALUES["runLauncher"]["config"]["k8sRunLauncher"]["runK8sConfig"]["podSpecConfig"]["securityContext"]["fsGroup"]

    assert {str(group) for group in (*groups, runs, of_server["fsGroup"], *(profile.fs_group for profile in PODS.values()))} == user


def test_the_pod_of_a_run_knows_its_own_name():
    """From which `owner_of_pod` makes the owner of a training pod."""
    given = VALUES["runLauncher"]["config"]["k8sRunLauncher"]["runK8sConfig"]["containerConfig"]["env"]
    values = {one["name"]: one["valueFrom"]["fieldRef"]["fieldPath"].rpartition(".")[2] for one in given}

    assert owner_of_pod(None, values) == {"apiVersion": "v1", "kind": "Pod", "name": "name", "uid": "uid"}
    assert values["FTI_POD_NAMESPACE"] == "namespace"
    validate({"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": {"containers": [{"name": "run", "env": given}]}})


def test_the_chart_has_the_version_of_dagster():
    pinned = re.search(r"^dagster==(\S+)$", (ROOT / "constraints.txt").read_text(), flags=re.MULTILINE)[1]

    for file in ("README.md", "dagster-values.yaml"):
        assert f"dagster/dagster --version {pinned} " in (DEPLOY / file).read_text()


def test_a_champion_can_be_read_wherever_it_was_trained():
    extras = {
        file.stem: set(re.search(r"'\.\[([\w,]+)\]'", file.read_text())[1].split(",")) for file in (DEPLOY / "images").iterdir()
    }

    assert extras["training"] - {"training"} <= extras["inference"]
