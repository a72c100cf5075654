"""Whatever is sent, the answer is one that the OpenAPI page announces, and none says that the server failed."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.mark.parametrize("mode", list(schemathesis.GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("served", ["detector", "table", "synthesizer", "resolver", "translator"])
def test_answers_are_as_announced(served: str, mode: Any, request: pytest.FixtureRequest) -> None:
    client: httpx.Client = request.getfixturevalue(served)
    schema = schemathesis.openapi.from_url(f"{client.base_url}/openapi.json")
    asked = []
    for found in schema.get_all_operations():
        operation = found.ok()
        if mode is schemathesis.GenerationMode.NEGATIVE and operation.method == "get":
            continue  # these take nothing that could be wrong

        @settings(max_examples=15, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(generation_mode=mode))
        def answered(case: Any) -> None:
            case.call_and_validate(checks=CHECKS)

        answered()
        asked.append(operation.path)
    assert asked
    assert client.get("/health").json()["restarts"] == 0
