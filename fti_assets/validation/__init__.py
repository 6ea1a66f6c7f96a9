"""Contracts checked with Great Expectations before anything is published."""

from fti_assets.validation.great_expectations import validate
from fti_assets.validation.results import VALIDATION_RESULTS, ContractBrokenError, ExpectationResult, as_rows, broken

__all__ = ["VALIDATION_RESULTS", "ContractBrokenError", "ExpectationResult", "as_rows", "broken", "validate"]
