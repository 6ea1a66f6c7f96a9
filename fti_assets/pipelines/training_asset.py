"""The shape of assets that train: that of a model, of its search and of its backtest. They run in the place that is chosen."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import dagster as dg
from dagster._core.definitions.metadata import RawMetadataValue
from pydantic import Field

from fti_assets.compute import Choice, uses_gpu
from fti_assets.pipelines.compute import ComputeResource
from fti_assets.pipelines.failures import told_plainly
from fti_assets.pipelines.resources import LakeResource, RegistryResource
from fti_assets.pipelines.specs import GPU_TAGS, gpu_options
from fti_assets.pipelines.training_task import TrainingTask
from fti_assets.training import TrainingProgram


class PlaceConfig(dg.Config):
    """Run configuration of an asset that trains."""

    compute: str | None = Field(
        default=None, description="Profile of the place to train in; `$FTI_COMPUTE`, or what the model needs, unless given."
    )


Config = TypeVar("Config", bound=PlaceConfig)
Metadata = Mapping[str, RawMetadataValue]


def training_asset(
    program: TrainingProgram, spec: dg.AssetSpec, config_type: type[Config]
) -> Callable[[Callable[[TrainingTask, Config], Metadata]], dg.AssetsDefinition]:
    """Makes an asset of a function that does a task and returns what is shown of it, beside the place.

    The step is in the pool of GPUs where the model needs one, and its run is tagged where it turns out to use one.
    """
    needs_gpu = program.model.needs_gpu

    def decorate(function: Callable[[TrainingTask, Config], Metadata]) -> dg.AssetsDefinition:
        def step(
            context: dg.AssetExecutionContext,
            config: Any,
            lake: LakeResource,
            registry: RegistryResource,
            compute: ComputeResource,
        ) -> dg.MaterializeResult:  # type: ignore[type-arg]
            with told_plainly():
                choice = compute.choose(config.compute, needs_gpu=needs_gpu)
                tag_for_queue(context, choice)
                task = TrainingTask(program=program, context=context, lake=lake, registry=registry, choice=choice)
                return dg.MaterializeResult(metadata={"compute": choice.name, **function(task, config)})

        step.__annotations__["config"] = config_type  # by which Dagster knows the run configuration
        return dg.multi_asset(name="__".join(spec.key.path), specs=[spec], **gpu_options(program.model))(step)

    return decorate


def tag_for_queue(context: dg.AssetExecutionContext, choice: Choice) -> None:
    """Tags a run that uses a GPU and does not say so: those in the queue wait for it then. It has left the queue itself."""
    if not uses_gpu(choice.profile) or GPU_TAGS.items() <= context.run.tags.items():
        return
    context.instance.add_run_tags(context.run.run_id, GPU_TAGS)
    ((key, value),) = GPU_TAGS.items()
    context.log.warning(
        f"This run uses a GPU, by {choice}, and was launched without the tag '{key}: {value}': it has not waited in the queue for"
        " runs that use one. It carries the tag from now on, so that later ones wait for it. Launch a run with the tag to queue it."
    )
