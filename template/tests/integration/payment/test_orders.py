"""`/api/v1/orders`: orders are made once, listed, and their owner's alone."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from dirty_equals import IsDatetime, IsUUID
from fastapi import FastAPI
from httpx import AsyncClient

from tests.clients import make_client, problem
from tests.factories import make_user
from tests.orders import ORDERS, make_order

pytestmark = pytest.mark.anyio

NEW = {"description": "A donation", "amount": 1250, "currency": "eur"}


def key(text: str = "one") -> dict[str, str]:
    return {"Idempotency-Key": text}


async def test_create_order_answers_an_order_that_can_be_read(client: AsyncClient) -> None:
    made = await client.post(ORDERS, json=NEW, headers=key())

    assert made.status_code == 201
    assert made.json() == {
        "id": IsUUID(),
        **NEW,
        "status": "pending",
        "test_mode": False,
        "paid_at": None,
        "amount_refunded": 0,
        "refunded_at": None,
        "created_at": IsDatetime(iso_string=True),
        "updated_at": IsDatetime(iso_string=True),
    }
    address = made.url.join(made.headers["Location"])
    assert address.path == f"{ORDERS}/{made.json()['id']}"
    assert (await client.get(address)).json() == made.json()


async def test_create_order_makes_one_order_for_one_key(client: AsyncClient) -> None:
    first = await client.post(ORDERS, json=NEW, headers=key())
    again = await client.post(ORDERS, json=NEW, headers=key())
    other = await client.post(ORDERS, json=NEW, headers=key("two"))

    assert (first.status_code, again.status_code, other.status_code) == (201, 200, 201)
    assert first.json() == again.json()
    assert first.json()["id"] != other.json()["id"]
    assert "Location" not in again.headers


@pytest.mark.parametrize("change", [{"amount": 1251}, {"currency": "usd"}, {"description": "Another"}])
async def test_create_order_refuses_one_key_for_another_order(change: dict[str, Any], client: AsyncClient) -> None:
    await client.post(ORDERS, json=NEW, headers=key())

    problem(await client.post(ORDERS, json={**NEW, **change}, headers=key()), 409, "IDEMPOTENCY_KEY_REUSED")


async def test_create_order_makes_one_order_of_many_at_once(scratch_client: AsyncClient) -> None:
    answers = await asyncio.gather(*(scratch_client.post(ORDERS, json=NEW, headers=key()) for _ in range(8)))

    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1


async def test_create_order_lets_two_users_choose_one_key(client: AsyncClient, app: FastAPI) -> None:
    _, tokens = await make_user()
    async with make_client(app, tokens) as other:
        answers = [await each.post(ORDERS, json=NEW, headers=key()) for each in (client, other)]

    assert [answer.status_code for answer in answers] == [201, 201]


@pytest.mark.parametrize(
    "change",
    [
        {"amount": 0},
        {"amount": -5},
        {"amount": 100_000_000},
        {"amount": 12.5},
        {"amount": "1250"},
        {"amount": True},
        {"currency": "EUR"},
        {"currency": "eu"},
        {"description": ""},
        {"description": "a\x00b"},
        {"status": "paid"},
        {"test_mode": False},
    ],
)
async def test_create_order_refuses_what_breaks_a_rule(change: dict[str, Any], client: AsyncClient) -> None:
    problem(await client.post(ORDERS, json={**NEW, **change}, headers=key()), 422, "VALIDATION_ERROR")


@pytest.mark.parametrize("headers", [{}, key(""), key("k" * 256), key("a b")])
async def test_create_order_requires_a_key(headers: dict[str, str], client: AsyncClient) -> None:
    problem(await client.post(ORDERS, json=NEW, headers=headers), 422, "VALIDATION_ERROR")


async def test_list_orders_answers_page_by_page_the_newest_first(client: AsyncClient) -> None:
    made = [(await make_order(client, amount=amount))["amount"] for amount in range(1, 6)]
    seen: list[int] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await client.get(ORDERS, params={"limit": 2, **({"cursor": cursor} if cursor else {})})).json()
        seen += [order["amount"] for order in page["items"]]
        cursor = page["next_cursor"]

    assert seen == made[::-1]
    problem(await client.get(ORDERS, params={"cursor": "x"}), 422, "VALIDATION_ERROR")


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("POST", "/checkout"), ("POST", "/refund")])
async def test_get_order_does_not_show_another_user_s_order(
    method: str, path: str, client: AsyncClient, app: FastAPI
) -> None:
    order = await make_order(client)
    _, tokens = await make_user()
    async with make_client(app, tokens) as other:
        problem(await other.request(method, f"{ORDERS}/{order['id']}{path}"), 404, "NOT_FOUND")
        problem(await other.request(method, f"{ORDERS}/{uuid4()}{path}"), 404, "NOT_FOUND")
        assert (await other.get(ORDERS)).json()["items"] == []


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "", "orders:write"),
        ("GET", "/{id}", "orders:write"),
        ("POST", "", "orders:read"),
        ("POST", "/{id}/checkout", "orders:read"),
        ("POST", "/{id}/refund", "orders:read"),
    ],
)
async def test_orders_need_their_scopes(
    method: str, path: str, scope: str, anonymous: AsyncClient, app: FastAPI
) -> None:
    url = f"{ORDERS}{path.format(id=uuid4())}"
    problem(await anonymous.request(method, url), 401, "AUTHENTICATION_FAILED")
    _, tokens = await make_user(scopes=[scope])
    async with make_client(app, tokens) as other:
        problem(await other.request(method, url, headers=key(), json=NEW), 403, "PERMISSION_DENIED")
