"""From vocabulary to Dagster: pipelines, their checks, jobs, schedules and sensors."""

import warnings

from dagster import BetaWarning, PreviewWarning

# Partitioned asset checks and mappings past the first partition are used on purpose; tests of ours hold what they do.
for _category in (BetaWarning, PreviewWarning):
    warnings.filterwarnings("ignore", category=_category, module=r"fti_assets\.pipelines")
# Every Pipes session makes Dagster 1.13 warn of a preview that it uses itself.
warnings.filterwarnings("ignore", category=PreviewWarning, message="Function `PipesMessageReader.expected_writer_count`")

from fti_assets.pipelines.backtest import model_backtest  # noqa: E402
from fti_assets.pipelines.compute import ComputeResource  # noqa: E402
from fti_assets.pipelines.datasets import training_dataset  # noqa: E402
from fti_assets.pipelines.decorators import collection_pipeline, feature_pipeline  # noqa: E402
from fti_assets.pipelines.inference import batch_inference  # noqa: E402
from fti_assets.pipelines.location import code_location, pipelines_of  # noqa: E402
from fti_assets.pipelines.log_landing import inference_log  # noqa: E402
from fti_assets.pipelines.maintenance import lake_maintenance  # noqa: E402
from fti_assets.pipelines.monitoring import performance_monitoring  # noqa: E402
from fti_assets.pipelines.online import online_table  # noqa: E402
from fti_assets.pipelines.online_performance import online_performance_monitoring  # noqa: E402
from fti_assets.pipelines.promotion import model_validation  # noqa: E402
from fti_assets.pipelines.registry_maintenance import registry_maintenance  # noqa: E402
from fti_assets.pipelines.resources import (  # noqa: E402
    InferenceLogResource,
    LakeResource,
    LandingResource,
    OnlineResource,
    RegistryResource,
    data_root,
)
from fti_assets.pipelines.schedules import Schedule, range_tags  # noqa: E402
from fti_assets.pipelines.search import hyperparameter_search  # noqa: E402
from fti_assets.pipelines.skew import skew_monitoring  # noqa: E402
from fti_assets.pipelines.tables import Relation, Sql, TablePipeline  # noqa: E402
from fti_assets.pipelines.training import training_pipeline  # noqa: E402

__all__ = [
    "ComputeResource",
    "InferenceLogResource",
    "LakeResource",
    "LandingResource",
    "OnlineResource",
    "RegistryResource",
    "Relation",
    "Schedule",
    "Sql",
    "TablePipeline",
    "batch_inference",
    "code_location",
    "collection_pipeline",
    "data_root",
    "feature_pipeline",
    "hyperparameter_search",
    "inference_log",
    "lake_maintenance",
    "model_backtest",
    "model_validation",
    "online_performance_monitoring",
    "online_table",
    "performance_monitoring",
    "pipelines_of",
    "range_tags",
    "registry_maintenance",
    "skew_monitoring",
    "training_dataset",
    "training_pipeline",
]
