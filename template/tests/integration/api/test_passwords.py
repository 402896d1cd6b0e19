"""Passwords, composed, decomposed and malformed."""

import pytest
from httpx import AsyncClient

pytestmark = pytest.mark.anyio

AUTH = "/api/v1/auth"
COMPOSED, DECOMPOSED = "\u00fcbergang \u00e0 gauche", "u\u0308bergang a\u0300 gauche"


@pytest.mark.parametrize(("registered", "typed"), [(COMPOSED, DECOMPOSED), (DECOMPOSED, COMPOSED)])
async def test_login_takes_a_password_composed_and_decomposed(
    registered: str, typed: str, anonymous: AsyncClient
) -> None:
    who = {"email": "ada@example.com"}
    assert (await anonymous.post(f"{AUTH}/register", json={**who, "password": registered})).status_code == 201

    assert (await anonymous.post(f"{AUTH}/login", json={**who, "password": typed})).status_code == 200
    assert (await anonymous.post(f"{AUTH}/login", json={**who, "password": registered})).status_code == 200


async def test_a_new_password_counts_its_characters_composed(anonymous: AsyncClient) -> None:
    answer = await anonymous.post(f"{AUTH}/register", json={"email": "ada@example.com", "password": "u\u0308" * 8})

    assert answer.status_code == 422
    assert answer.json()["field"] == "body.password"


@pytest.mark.parametrize("route", ["register", "login"])
@pytest.mark.parametrize("spelt", [rb"\ud800", rb"\udfff", rb"\u0000"])
async def test_a_password_of_half_a_character_is_refused(route: str, spelt: bytes, anonymous: AsyncClient) -> None:
    body = b'{"email": "ada@example.com", "password": "correct horse battery %b"}' % spelt

    answer = await anonymous.post(f"{AUTH}/{route}", content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == ["body.password"]
