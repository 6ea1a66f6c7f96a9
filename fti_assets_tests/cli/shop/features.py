from fti_assets import Relation, code_location, feature_pipeline
from fti_assets_tests.cli.shop.contracts import ORDERS, STAGED_VISITS, VISITS


@feature_pipeline(VISITS, reads=[STAGED_VISITS])
def visits(visits: Relation) -> Relation:
    return visits.select("visit_id, visited_at, pages")


@feature_pipeline(ORDERS, reads=[STAGED_VISITS])
def orders(visits: Relation) -> Relation:
    return visits.select("visit_id, visited_at AS known_at, ordered")


defs = code_location(__name__, name="shop_features")
