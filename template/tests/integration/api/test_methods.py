"""Methods that a path does not have."""

import pytest
from httpx import AsyncClient

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("method", ["DELETE", "OPTIONS", "TRACE", "BREW"])
async def test_the_answer_names_all_that_the_path_has(method: str, anonymous: AsyncClient) -> None:
    answer = await anonymous.request(method, "/api/v1/users/me/api-keys")

    assert answer.status_code == 405
    assert answer.headers["Allow"] == "GET, POST"
