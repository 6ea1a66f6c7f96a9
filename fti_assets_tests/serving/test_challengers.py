"""A challenger answers for a share of the entities, or scores in the shadow."""

import pytest

from fti_assets_tests.serving.examples import UA
from fti_assets_tests.serving.servers import serving


@pytest.fixture(scope="module")
def house(make_house):
    """With the first version as champion, so that the second one, trained last, is its challenger."""
    made = make_house()
    made.registry.promote("flight_delay", 1, reason="test", figures={})
    made.kept.remember(made.keep("champion"))
    return made


def flights(count):
    return [{**UA, "number": number} for number in range(count)]


def test_a_share_of_entities_is_answered_by_the_challenger_and_a_shadow_scores_the_rest(house):
    with serving(house.root, "--challenger-share", "0.3", "--shadow") as server:
        server.wait(lambda model: model["challenger"] == 2, "serving the challenger")
        first = server.predict({"rows": flights(500)}).json
        again = [server.predict({"row": row}).json["predictions"][0] for row in flights(20)]
        server.stop()
    roles = [one["role"] for one in first["predictions"]]
    assert 100 < roles.count("challenger") < 200
    assert {one["role"]: one["model_version"] for one in first["predictions"]} == {"champion": 1, "challenger": 2}
    assert [one["role"] for one in again] == roles[:20]
    logged = [line for line in server.logged() if line["request_id"].startswith(first["request_id"] + ".")]
    answered = {line["request_id"]: line for line in logged if line["role"] != "shadow"}
    shadow = {line["request_id"]: line for line in logged if line["role"] == "shadow"}
    assert [answered[f"{first['request_id']}.{n}"]["role"] for n in range(500)] == roles
    assert shadow.keys() == {f"{first['request_id']}.{n}" for n, role in enumerate(roles) if role == "champion"}
    assert {line["model_version"] for line in shadow.values()} == {2}
    one = next(iter(shadow))
    assert shadow[one]["features"] == answered[one]["features"]
    assert shadow[one]["prediction"] != answered[one]["prediction"]
