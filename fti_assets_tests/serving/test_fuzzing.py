"""Requests made up from the description by schemathesis: none is answered with 500, and answers are as described."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    positive_data_acceptance,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.generation import GenerationMode

EXAMPLES = 25
PATHS = ("/predict/flight_delay", "/v2/models/flight_delay/infer", "/examples/flight_delay")
CHECKS = [not_a_server_error, content_type_conformance, status_code_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def described(server):
    return schemathesis.openapi.from_dict(server.get("/openapi.json").json)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["that_fit", "that_do_not_fit"])
def test_made_up_requests(described, server, path, mode):
    operation = described[path]["GET" if path.startswith("/examples") else "POST"]

    def ask(case):
        case.call_and_validate(base_url=f"http://{server.address}", checks=checks(path, mode))

    asked = operation.as_strategy(generation_mode=mode)
    few = settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    few(given(case=asked)(ask))()


def checks(path, mode):
    """What fits is answered; of the protocol not all that is wrong can be described."""
    fits = mode is GenerationMode.POSITIVE and not path.startswith("/v2")
    return [*CHECKS, positive_data_acceptance] if fits else CHECKS
