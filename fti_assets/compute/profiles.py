"""Profiles of places to train in: this process, a child process, a child process with a GPU of its own, a pod."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from fti_assets.errors import FtiError


class ProfileError(FtiError):
    """A file of profiles cannot be understood."""


class _Profile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    threads: int | None = Field(default=None, ge=1, description="How many a training uses; all cores unless given.")


class LocalProfile(_Profile):
    """In the process of the Dagster step."""

    kind: Literal["local"] = "local"
    device: str = Field(default="cpu", description="`cpu`, `cuda` or `cuda:N`.")
    fallback_to_cpu: bool = Field(default=False, description="Whether a training goes on without the GPU that is not there.")


class _ChildProfile(_Profile):
    fallback_to_cpu: bool = Field(default=False, description="Whether a training goes on without the GPU that is not there.")
    python: str | None = Field(default=None, description="Interpreter of the child, of another environment; this one unless given.")
    env: Mapping[str, str] = Field(default_factory=dict, description="Variables for the child, besides those of this process.")
    timeout_seconds: float | None = Field(default=None, gt=0, description="After which it is ended; none unless given.")
    grace_seconds: float = Field(default=15.0, ge=0, description="Between being told to stop and being killed.")


class ProcessProfile(_ChildProfile):
    """In a child process: what it takes of memory it gives back, and its death does not end the run's process."""

    kind: Literal["process"] = "process"
    device: str = Field(default="cpu", description="`cpu`, `cuda` or `cuda:N`.")


class GpuProfile(_ChildProfile):
    """In a child process that sees one GPU of this machine, held for it alone."""

    kind: Literal["gpu"] = "gpu"
    cards: tuple[str, ...] = Field(default=(), description="Which of the cards may be used; all that are visible unless given.")
    wait_seconds: float = Field(default=3600.0, ge=0, description="How long to wait for a card that another training holds.")
    locks: Path | None = Field(default=None, description="Folder of the locks; one of the user's on this machine unless given.")


class Toleration(BaseModel):
    """A taint of nodes that a pod does not mind, as Kubernetes writes it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str | None = None
    operator: Literal["Exists", "Equal"] = "Exists"
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    tolerationSeconds: int | None = None  # noqa: N815 - Kubernetes' name


class KubernetesProfile(_Profile):
    """In a pod of its own, which may have another image than the code location."""

    kind: Literal["kubernetes"] = "kubernetes"
    image: str = Field(description="Has the training worker and the code of the models.")
    namespace: str | None = Field(default=None, description="Of the pod; that of this process, or `default`, unless given.")
    gpus: int = Field(default=0, ge=0, description="NVIDIA GPUs of the pod; a training with one or more is on `cuda`.")
    node_selector: Mapping[str, str] = Field(default_factory=dict, description="Labels that the node must have.")
    tolerations: tuple[Toleration, ...] = ()
    requests: Mapping[str, str] = Field(default_factory=dict, description="What is reserved, such as `memory: 8Gi`.")
    limits: Mapping[str, str] = Field(default_factory=dict, description="What is allowed at most.")
    env: Mapping[str, str] = Field(default_factory=dict, description="Variables; where the stores are is among them.")
    secrets: tuple[str, ...] = Field(default=(), description="Secrets whose entries become variables: passwords, keys.")
    service_account: str | None = Field(default=None, description="Of the pod; without one it gets no token of the cluster.")
    image_pull_secrets: tuple[str, ...] = ()
    claims: Mapping[str, str] = Field(default_factory=dict, description="Persistent volume claims by the path they are mounted at.")
    fs_group: int | None = Field(
        default=1000, ge=0, description="Group that may write the claims; that of the images in `deploy/`."
    )
    timeout_seconds: int | None = Field(default=None, gt=0, description="After which Kubernetes ends the pod.")


Profile = Annotated[LocalProfile | ProcessProfile | GpuProfile | KubernetesProfile, Field(discriminator="kind")]


def uses_gpu(profile: Profile) -> bool:
    """Whether a training in this place is on a GPU, unless it falls back to the CPU."""
    match profile:
        case GpuProfile():
            return True
        case KubernetesProfile():
            return profile.gpus > 0
        case LocalProfile() | ProcessProfile():
            return profile.device != "cpu"


BUILT_IN: Mapping[str, Profile] = {"local": LocalProfile(), "process": ProcessProfile(), "gpu": GpuProfile()}
"""The profiles that are there without any configuration."""


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    profiles: dict[str, Profile]


def read_profiles(file: Path | str | None) -> dict[str, Profile]:
    """The built-in profiles, and those of a YAML file: `profiles:`, then a profile by name. One of the same name takes its place.

    Raises:
        ProfileError: there is no such file, or it says what cannot be understood; the error says where.
    """
    if file is None:
        return dict(BUILT_IN)
    path = Path(file)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ProfileError(
            f"The file of compute profiles '{path}' cannot be read: {error.strerror}.", next_step="See $FTI_COMPUTE_FILE."
        ) from error
    return {**BUILT_IN, **_understood(path, text)}


def _understood(path: Path, text: str) -> dict[str, Profile]:
    import yaml  # type: ignore[import-untyped]

    try:
        return TypeAdapter(_File).validate_python(yaml.safe_load(text)).profiles
    except yaml.YAMLError as error:
        raise ProfileError(f"The file of compute profiles '{path}' is no YAML: {error}") from error
    except ValidationError as error:
        raise ProfileError(f"The file of compute profiles '{path}' is wrong. {_told(error.errors())}") from error


def _told(errors: Any) -> str:
    return " ".join(f"At {'.'.join(map(str, one['loc'])) or 'the top'}: {one['msg']}." for one in errors)
