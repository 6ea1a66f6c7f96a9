"""Pods that train: what is asked of Kubernetes, and what its answer means. Plain data, no client."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fti_assets.compute.process import signal_name
from fti_assets.compute.profiles import KubernetesProfile

GPU_RESOURCE = "nvidia.com/gpu"
CONTAINER = "training"


@dataclass(frozen=True, slots=True, kw_only=True)
class PodEnd:
    """How a pod ended, as Kubernetes says it.

    Attributes:
        pod_reason: of the pod as a whole, such as `Evicted` or `DeadlineExceeded`.
        reason: of the container, such as `OOMKilled`.
    """

    pod_reason: str | None = None
    pod_message: str | None = None
    reason: str | None = None
    exit_code: int | None = None


def pod_spec(profile: KubernetesProfile, command: Sequence[str], env: Mapping[str, str]) -> dict[str, Any]:
    """The `spec` of a pod that runs `command` once, as a manifest writes it; what the profile leaves out is left out.

    Args:
        profile: image, size and place.
        command: program and arguments.
        env: variables in addition to those of the profile.
    """
    return _without_empty(
        {
            "restartPolicy": "Never",
            "serviceAccountName": profile.service_account,
            "automountServiceAccountToken": profile.service_account is not None,
            "activeDeadlineSeconds": profile.timeout_seconds,
            "nodeSelector": dict(profile.node_selector),
            "tolerations": [one.model_dump(exclude_none=True) for one in profile.tolerations],
            "securityContext": _without_empty({"fsGroup": profile.fs_group}),
            "imagePullSecrets": [{"name": name} for name in profile.image_pull_secrets],
            "volumes": [
                {"name": _volume(number), "persistentVolumeClaim": {"claimName": claim}}
                for number, claim in enumerate(profile.claims.values())
            ],
            "containers": [_container(profile, command, env)],
        }
    )


def cause_of_end(end: PodEnd, profile: KubernetesProfile) -> str:
    """Why a pod ended that should have done its work, in a sentence or two."""
    if end.pod_reason == "DeadlineExceeded":
        return f"Kubernetes ended its pod, since its time limit is {profile.timeout_seconds} s."
    if end.pod_reason:
        return f"Kubernetes ended its pod: {end.pod_reason}. {end.pod_message or ''}".rstrip()
    if end.reason == "OOMKilled":
        limit = profile.limits.get("memory")
        return f"The kernel killed it for lack of memory; its limit is {limit or 'that of the node'}."
    if end.exit_code is None:
        return "Kubernetes does not say why; see the log of this step."
    if end.exit_code > 128:
        return f"It was killed by {signal_name(end.exit_code - 128)}."
    return f"It ended with exit code {end.exit_code}; see the log of this step."


def _container(profile: KubernetesProfile, command: Sequence[str], env: Mapping[str, str]) -> dict[str, Any]:
    gpus = {GPU_RESOURCE: str(profile.gpus)} if profile.gpus else {}
    return _without_empty(
        {
            "name": CONTAINER,
            "image": profile.image,
            "command": list(command),
            "env": [{"name": name, "value": value} for name, value in {**profile.env, **env}.items()],
            "envFrom": [{"secretRef": {"name": name}} for name in profile.secrets],
            "resources": _without_empty({"requests": dict(profile.requests), "limits": {**profile.limits, **gpus}}),
            "volumeMounts": [{"name": _volume(number), "mountPath": path} for number, path in enumerate(profile.claims)],
            "securityContext": {"allowPrivilegeEscalation": False},
        }
    )


def _volume(number: int) -> str:
    return f"store-{number}"


def _without_empty(manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in manifest.items() if value not in (None, {}, [], ())}
