import pytest

from fti_assets.compute import GpuProfile, KubernetesProfile, LocalProfile, ProcessProfile, ProfileError, choose, read_profiles
from fti_assets.errors import NotFoundError

CLUSTER = """
profiles:
  local: {kind: local, threads: 4}
  overnight: {kind: process, timeout_seconds: 3600, env: {OMP_NUM_THREADS: "2"}}
  gpu:
    kind: kubernetes
    image: registry.example.org/fti-training:1
    gpus: 1
    node_selector: {pool: gpu}
    tolerations: [{key: nvidia.com/gpu, effect: NoSchedule}]
    limits: {memory: 32Gi}
"""


def test_without_a_file_there_are_three_profiles():
    assert read_profiles(None) == {"local": LocalProfile(), "process": ProcessProfile(), "gpu": GpuProfile()}


def test_a_file_adds_profiles_and_takes_the_place_of_built_in_ones(tmp_path):
    (tmp_path / "compute.yaml").write_text(CLUSTER)

    profiles = read_profiles(tmp_path / "compute.yaml")

    assert sorted(profiles) == ["gpu", "local", "overnight", "process"]
    assert profiles["local"] == LocalProfile(threads=4)
    assert profiles["overnight"] == ProcessProfile(timeout_seconds=3600, env={"OMP_NUM_THREADS": "2"})
    assert isinstance(profiles["gpu"], KubernetesProfile)
    assert profiles["gpu"].tolerations[0].operator == "Exists"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("profiles: {x: {kind: slurm}}", r"At profiles\.x.*'local'.*'kubernetes'", id="unknown_kind"),
        pytest.param("profiles: {x: {kind: local, gpus: 1}}", r"At profiles\.x\.local\.gpus", id="unknown_field"),
        pytest.param("profiles: {x: {kind: kubernetes}}", r"At profiles\.x\.kubernetes\.image: Field required", id="no_image"),
        pytest.param("profiles: {x: {kind: process, timeout_seconds: 0}}", "greater than 0", id="no_time"),
        pytest.param("profiles: [", "is no YAML", id="no_yaml"),
        pytest.param("", "At the top", id="empty"),
    ],
)
def test_a_wrong_file_says_where_it_is_wrong(tmp_path, text, said):
    (tmp_path / "compute.yaml").write_text(text)

    with pytest.raises(ProfileError, match=said):
        read_profiles(tmp_path / "compute.yaml")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ProfileError, match=r"absent\.yaml' cannot be read: No such file"):
        read_profiles(tmp_path / "absent.yaml")


@pytest.mark.parametrize(
    ("asked", "environment", "needs_gpu", "chosen", "by"),
    [
        pytest.param("process", "gpu", True, "process", "the configuration of the run", id="the_run_wins"),
        pytest.param(None, "process", True, "process", "$FTI_COMPUTE", id="then_the_environment"),
        pytest.param(None, "", True, "gpu", "the model, which needs a GPU", id="then_the_model"),
        pytest.param(None, None, False, "local", "nobody", id="then_here"),
    ],
)
def test_the_most_specific_wish_wins(asked, environment, needs_gpu, chosen, by):
    choice = choose(read_profiles(None), asked=asked, environment=environment, needs_gpu=needs_gpu)

    assert (choice.name, choice.chosen_by) == (chosen, by)
    assert str(choice) == f"profile '{chosen}', chosen by {by}"


def test_an_unknown_profile_is_refused_with_those_that_exist():
    with pytest.raises(NotFoundError) as refused:
        choose(read_profiles(None), asked=None, environment="gqu", needs_gpu=False)

    assert str(refused.value) == (
        "Compute profile 'gqu' is not there. Did you mean 'gpu'? It has: gpu, local, process."
        " It was chosen by $FTI_COMPUTE. Add it to the file that $FTI_COMPUTE_FILE names."
    )
