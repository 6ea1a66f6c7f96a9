"""Data collection: from landing files to staged tables."""

from fti_assets.pipelines import code_location

defs = code_location("fti_assets.systems.flights.collection", name="flights_collection")
