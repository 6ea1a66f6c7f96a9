"""Where data arrives: the landing zone that partners deliver into, and the strict reading of what they delivered."""

from fti_assets.collection.error import LandingError
from fti_assets.collection.landing import Content, LandedFile, LandingZone, Note
from fti_assets.collection.reading import read_csv

__all__ = ["Content", "LandedFile", "LandingError", "LandingZone", "Note", "read_csv"]
