"""The devices of this machine, found without importing a framework."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Callable
from uuid import UUID

from fti_assets.errors import FtiError

_CUDA = re.compile(r"cuda(:(\d+))?")
_USE_CPU = "Use device 'cpu', or run where there is one."


class DeviceError(FtiError):
    """The device asked for cannot be used."""


class AbsentDeviceError(DeviceError):
    """The device asked for is not there."""


def gpus() -> int:
    """How many NVIDIA GPUs the driver of this machine shows to this process."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    started = driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0
    return count.value if started else 0


def gpu_uuids() -> tuple[str, ...]:
    """By which names the driver knows the GPUs that this process sees, in order; `GPU-...`, the same in every process."""
    there = gpus()
    if not there:
        return ()
    driver, found = ctypes.CDLL("libcuda.so.1"), []
    for number in range(there):
        device, identity = ctypes.c_int(0), (ctypes.c_ubyte * 16)()
        got = driver.cuDeviceGet(ctypes.byref(device), number) == 0 and driver.cuDeviceGetUuid_v2(identity, device) == 0
        if not got:
            return ()
        found.append(f"GPU-{UUID(bytes=bytes(identity))}")
    return tuple(found)


def check_device(device: str, *, only_cpu: str | None = None, count: Callable[[], int] = gpus) -> None:
    """Refuses a device that this machine lacks, before any data is read.

    Args:
        device: `cpu`, `cuda` or `cuda:N`.
        only_cpu: name of a framework that cannot use a GPU.
        count: tells how many GPUs there are; asked only when one is wanted.

    Raises:
        AbsentDeviceError: the device is not there.
        DeviceError: it is not written as one, or cannot be used by the framework.
    """
    if device == "cpu":
        return
    asked = _CUDA.fullmatch(device)
    if asked is None:
        raise DeviceError(f"'{device}' is no device.", next_step="Write cpu, cuda or cuda:N.")
    if only_cpu is not None:
        raise DeviceError(f"Device '{device}' is asked for, but {only_cpu} runs on the CPU only.", next_step="Use device 'cpu'.")
    there = count()
    if not there:
        raise AbsentDeviceError(f"Device '{device}' is asked for, but this machine shows no NVIDIA GPU.", next_step=_USE_CPU)
    if int(asked[2] or 0) >= there:
        raise AbsentDeviceError(
            f"Device '{device}' is asked for, but this process sees {there} GPUs, the first of which is cuda:0.",
        )


def resolve_device(asked: str, *, fallback_to_cpu: bool, warn: Callable[[str], None], count: Callable[[], int] = gpus) -> str:
    """The device to train on: the one asked for or, where it is absent and that is allowed, the CPU.

    Args:
        asked: `cpu`, `cuda` or `cuda:N`.
        fallback_to_cpu: whether the CPU will do.
        warn: is told when the CPU has to do.
        count: tells how many GPUs there are.

    Raises:
        DeviceError: the device is not there and the CPU will not do, or it is not written as one.
    """
    try:
        check_device(asked, count=count)
    except AbsentDeviceError as error:
        if not fallback_to_cpu:
            raise
        warn(f"Falling back to the CPU, as the profile allows. {str(error).removesuffix(_USE_CPU).rstrip()}")
        return "cpu"
    return asked
