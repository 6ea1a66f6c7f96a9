"""Where work runs: devices and cards of this machine, profiles of places and the choice among them, child processes, pods."""

from fti_assets.compute.cards import (
    BusyCardsError,
    LocksFolderError,
    chosen_cards,
    hold_card,
    lock_names,
    locks_folder,
    visible_cards,
)
from fti_assets.compute.choice import Choice, choose
from fti_assets.compute.devices import AbsentDeviceError, DeviceError, check_device, gpu_uuids, gpus, resolve_device
from fti_assets.compute.process import DeadChildError, Ended, cause_of_death, end_with_parent, run_child
from fti_assets.compute.profiles import (
    GpuProfile,
    KubernetesProfile,
    LocalProfile,
    ProcessProfile,
    Profile,
    ProfileError,
    Toleration,
    read_profiles,
    uses_gpu,
)

__all__ = [
    "AbsentDeviceError",
    "BusyCardsError",
    "Choice",
    "DeadChildError",
    "DeviceError",
    "Ended",
    "GpuProfile",
    "KubernetesProfile",
    "LocalProfile",
    "LocksFolderError",
    "ProcessProfile",
    "Profile",
    "ProfileError",
    "Toleration",
    "cause_of_death",
    "check_device",
    "choose",
    "chosen_cards",
    "end_with_parent",
    "gpu_uuids",
    "gpus",
    "hold_card",
    "lock_names",
    "locks_folder",
    "read_profiles",
    "resolve_device",
    "run_child",
    "uses_gpu",
    "visible_cards",
]
