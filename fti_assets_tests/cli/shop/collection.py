from fti_assets import CsvFile, Relation, code_location, collection_pipeline
from fti_assets_tests.cli.shop.contracts import STAGED_VISITS

COLUMNS = {"visit_id": "BIGINT", "visited_at": "TIMESTAMPTZ", "pages": "DOUBLE", "ordered": "BOOLEAN"}
VISITS_FILE = CsvFile(name="visits", path="visits.csv", columns=COLUMNS)


@collection_pipeline(STAGED_VISITS, sources=[VISITS_FILE])
def visits(raw_visits: Relation) -> Relation:
    print("noise that belongs into the log of the run only")  # noqa: T201
    return raw_visits


defs = code_location(__name__, name="shop_collection")
