import pytest

from fti_assets.compute import AbsentDeviceError, DeviceError, check_device, resolve_device


@pytest.mark.parametrize(
    ("device", "cards"),
    [
        pytest.param("cpu", 0, id="cpu"),
        pytest.param("cuda", 1, id="the_only_card"),
        pytest.param("cuda:1", 2, id="the_last_card"),
    ],
)
def test_a_device_that_is_there_is_used(device, cards):
    warnings = []

    assert resolve_device(device, fallback_to_cpu=False, warn=warnings.append, count=lambda: cards) == device
    assert warnings == []


@pytest.mark.parametrize(
    ("device", "cards", "said"),
    [
        pytest.param("cuda", 0, "this machine shows no NVIDIA GPU", id="no_card"),
        pytest.param("cuda:2", 2, "sees 2 GPUs, the first of which is cuda:0", id="one_too_many"),
    ],
)
def test_an_absent_device_is_an_error_or_the_cpu_with_a_warning(device, cards, said):
    warnings = []
    with pytest.raises(AbsentDeviceError, match=said):
        resolve_device(device, fallback_to_cpu=False, warn=warnings.append, count=lambda: cards)
    assert warnings == []

    assert resolve_device(device, fallback_to_cpu=True, warn=warnings.append, count=lambda: cards) == "cpu"
    (warning,) = warnings
    assert "Falling back to the CPU" in warning
    assert said in warning
    assert "Use device 'cpu'" not in warning


def test_what_is_no_device_is_an_error_also_where_the_cpu_would_do():
    with pytest.raises(DeviceError, match=r"'gpu0' is no device\. Write cpu, cuda or cuda:N\."):
        resolve_device("gpu0", fallback_to_cpu=True, warn=print, count=lambda: 4)


def test_a_framework_without_a_gpu_refuses_one_that_is_there():
    with pytest.raises(DeviceError, match="scikit-learn runs on the CPU only"):
        check_device("cuda", only_cpu="scikit-learn", count=lambda: 1)
