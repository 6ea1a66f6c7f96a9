"""From vocabulary to Dagster: pipelines, their checks, jobs, schedules and sensors."""

import warnings

from dagster import BetaWarning, PreviewWarning

# Partitioned asset checks and mappings past the first partition are used on purpose; tests of ours hold what they do.
for _category in (BetaWarning, PreviewWarning):
    warnings.filterwarnings("ignore", category=_category, module=r"fti_assets\.pipelines")

from fti_assets.pipelines.decorators import collection_pipeline, feature_pipeline
from fti_assets.pipelines.location import code_location, pipelines_of
from fti_assets.pipelines.resources import LakeResource, LandingResource, RegistryResource, data_root
from fti_assets.pipelines.schedules import Schedule, range_tags
from fti_assets.pipelines.tables import Relation, Sql, TablePipeline

__all__ = [
    "LakeResource",
    "LandingResource",
    "RegistryResource",
    "Relation",
    "Schedule",
    "Sql",
    "TablePipeline",
    "code_location",
    "collection_pipeline",
    "data_root",
    "feature_pipeline",
    "pipelines_of",
    "range_tags",
]
