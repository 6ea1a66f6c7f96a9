"""What can be wrong with a model file."""

from fti_assets.errors import FtiError


class ModelFileError(FtiError):
    """A model file cannot be used."""
