"""Every order of delivery ends in the same state: news of payments, refunds and disputes, permuted."""

from itertools import permutations
from typing import Any

import pytest
from httpx import AsyncClient

from tests.orders import ORDERS, deliver, make_event, make_unheard_payment
from tests.servers.stripe import StripeServer

pytestmark = pytest.mark.anyio

# Type, id, amount, status, and the second it happened in; then how the order ends.
Told = tuple[str, str, int, str, int]
STORIES: dict[str, tuple[list[Told], tuple[str, int]]] = {
    "refunded in part": (
        [("refund.created", "re", 250, "pending", 1), ("refund.updated", "re", 250, "succeeded", 1)],
        ("partially_refunded", 250),
    ),
    "refunded in parts": (
        [("refund.created", "re_a", 250, "succeeded", 1), ("refund.created", "re_b", 1000, "succeeded", 2)],
        ("refunded", 1250),
    ),
    "refunded in vain": (
        [
            ("refund.created", "re", 1250, "pending", 1),
            ("refund.updated", "re", 1250, "succeeded", 1),
            ("refund.failed", "re", 1250, "failed", 9),
        ],
        ("paid", 0),
    ),
    "disputed": ([("charge.dispute.created", "du", 1250, "needs_response", 1)], ("disputed", 0)),
    "dispute answered": (
        [
            ("charge.dispute.created", "du", 1250, "needs_response", 1),
            ("charge.dispute.updated", "du", 1250, "under_review", 5),
        ],
        ("disputed", 0),
    ),
    "dispute won": (
        [
            ("charge.dispute.created", "du", 1250, "needs_response", 1),
            ("charge.dispute.funds_withdrawn", "du", 1250, "needs_response", 1),
            ("charge.dispute.closed", "du", 1250, "won", 9),
        ],
        ("paid", 0),
    ),
    "dispute lost": (
        [
            ("charge.dispute.created", "du", 1250, "needs_response", 1),
            ("charge.dispute.closed", "du", 1250, "lost", 1),
        ],
        ("dispute_lost", 0),
    ),
    "dispute lost, appealed and won": (
        [
            ("charge.dispute.closed", "du", 1250, "lost", 1),
            ("charge.dispute.updated", "du", 1250, "appeal_under_review", 5),
            ("charge.dispute.funds_reinstated", "du", 1250, "won", 9),
        ],
        ("paid", 0),
    ),
    "asked about": (
        [
            ("charge.dispute.created", "du", 1250, "warning_needs_response", 1),
            ("charge.dispute.closed", "du", 1250, "warning_closed", 9),
        ],
        ("paid", 0),
    ),
    "disputed after a part was refunded": (
        [
            ("refund.created", "re", 250, "succeeded", 1),
            ("charge.dispute.created", "du", 1000, "needs_response", 2),
            ("charge.dispute.closed", "du", 1000, "lost", 9),
        ],
        ("dispute_lost", 250),
    ),
}


@pytest.mark.parametrize("story", STORIES)
async def test_receive_event_ends_in_the_same_state_for_every_order_of_delivery(
    story: str, client: AsyncClient, stripe: StripeServer
) -> None:
    told, end = STORIES[story]
    ways = list(permutations(range(len(told) + 1)))
    # Of 24, every fifth: the first, the last, and the payment in each place.
    for number, way in enumerate(ways if len(ways) <= 6 else [*ways[::5], ways[-1]]):
        order, paid = await make_unheard_payment(client, stripe)
        events: list[dict[str, Any]] = [paid]
        for kind, subject_id, amount, status, second in told:
            subject = {
                "id": f"{subject_id}_{number}",
                "payment_intent": paid["data"]["object"]["payment_intent"],
                "amount": amount,
                "currency": "eur",
                "status": status,
            }
            events.append(make_event(kind, subject, created=1_800_000_000 + second))
        for each in way:
            assert (await deliver(client, events[each])).json() == {"outcome": "handled"}
        # And once more, under other ids, as if sent again by hand.
        for each in way if number == 0 else ():
            again = {**events[each], "id": f"{events[each]['id']}_again"}
            assert (await deliver(client, again)).status_code == 200
        found = (await client.get(f"{ORDERS}/{order['id']}")).json()
        assert (found["status"], found["amount_refunded"]) == end, way
