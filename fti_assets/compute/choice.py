"""The choice of a profile: the run says which, or the environment, or the model's contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fti_assets.compute.profiles import Profile
from fti_assets.errors import not_found


@dataclass(frozen=True, slots=True)
class Choice:
    """The profile that was chosen, and who chose it."""

    name: str
    profile: Profile
    chosen_by: str

    def __str__(self) -> str:
        return f"profile '{self.name}', chosen by {self.chosen_by}"


def choose(profiles: Mapping[str, Profile], *, asked: str | None, environment: str | None, needs_gpu: bool) -> Choice:
    """The most specific wish wins: that of the run, of the environment, of the model; `local` where nobody has one.

    Args:
        profiles: those that exist.
        asked: by the configuration of the run.
        environment: what `$FTI_COMPUTE` says.
        needs_gpu: what the model's contract says; such a model wants the profile `gpu`, whatever kind that is.

    Raises:
        NotFoundError: the one that is wanted does not exist; the error names those that do.
    """
    if asked:
        name, by = asked, "the configuration of the run"
    elif environment:
        name, by = environment, "$FTI_COMPUTE"
    elif needs_gpu:
        name, by = "gpu", "the model, which needs a GPU"
    else:
        name, by = "local", "nobody"
    if name not in profiles:
        step = f"It was chosen by {by}. Add it to the file that $FTI_COMPUTE_FILE names."
        raise not_found("Compute profile", name, profiles, next_step=step)
    return Choice(name, profiles[name], by)
