"""What can be wrong with the registry, or with what is asked of it."""

from fti_assets.errors import FtiError


class TamperedModelError(FtiError):
    """A model file is not the one that was registered."""


class RegistryLockedError(FtiError):
    """Another process changes the registry and did not finish in time."""


class ChampionChangedError(FtiError):
    """The champion is another one than the challenger was judged against."""


class NeededVersionError(FtiError):
    """A version cannot be deleted, since something refers to it."""
