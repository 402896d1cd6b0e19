"""Stripe and its stand-in keep the same contract."""

import inspect
from types import MappingProxyType
from typing import Any

import pytest

from app.core import payment
from app.core.exceptions import ValidationError

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("way")]


async def test_in_test_mode_marks_each_object() -> None:
    assert payment.in_test_mode()
    intent = await payment.create_payment_intent(1250)
    customer = await payment.create_customer(email="payer@example.com")
    session = await payment.create_checkout_session(1250, description="A donation", reference="7")
    refund = await payment.create_refund(intent.id)
    assert all(each.test_mode for each in (intent, customer, session, refund))
    assert [each.id.split("_")[0] for each in (intent, customer, session, refund)] == ["pi", "cus", "cs", "re"]


async def test_create_payment_intent_answers_what_was_asked_for() -> None:
    customer = await payment.create_customer(email="payer@example.com", name="A Payer", metadata={"plan": "small"})
    intent = await payment.create_payment_intent(1250, "jpy", customer_id=customer.id, metadata={"order": "7"})

    assert (intent.amount, intent.currency, intent.customer_id) == (1250, "jpy", customer.id)
    assert intent.client_secret
    assert intent.client_secret.get_secret_value() not in repr(intent)
    assert customer.email == "payer@example.com"


async def test_get_checkout_session_finds_the_page_that_was_made() -> None:
    made = await payment.create_checkout_session(
        1250, "eur", description="A donation", reference="7", metadata={"order_id": "7"}
    )

    assert (made.amount, made.currency, made.metadata) == (1250, "eur", {"order_id": "7"})
    assert made.url
    assert made.url.startswith("http")
    assert await payment.get_checkout_session(made.id) == made


async def test_idempotency_key_has_one_effect_and_one_answer() -> None:
    first, second = [await payment.create_payment_intent(1250, idempotency_key="order-7") for _ in range(2)]
    other = await payment.create_payment_intent(1250, idempotency_key="order-8")
    assert first == second
    assert other.id != first.id

    one, same = [await payment.create_refund(first.id, idempotency_key="refund-7") for _ in range(2)]
    assert one == same
    assert one.amount == 1250


async def test_idempotency_key_is_a_new_one_unless_given() -> None:
    assert (await payment.create_payment_intent(1250)).id != (await payment.create_payment_intent(1250)).id


async def test_idempotency_key_is_refused_for_something_else() -> None:
    await payment.create_payment_intent(1250, idempotency_key="order-7")
    with pytest.raises(payment.PaymentConflictError):
        await payment.create_payment_intent(1251, idempotency_key="order-7")
    with pytest.raises(payment.PaymentConflictError):
        await payment.create_customer(idempotency_key="order-7")


async def test_create_refund_refunds_no_more_than_was_paid() -> None:
    intent = await payment.create_payment_intent(1250)
    assert (await payment.create_refund(intent.id, amount=250)).amount == 250
    assert (await payment.create_refund(intent.id)).amount == 1000

    with pytest.raises(payment.PaymentRefusedError) as caught:
        await payment.create_refund(intent.id)
    assert caught.value.details["code"] == "charge_already_refunded"


async def test_create_refund_and_get_checkout_session_refuse_what_does_not_exist() -> None:
    with pytest.raises(payment.PaymentRefusedError) as refund:
        await payment.create_refund("pi_unknown")
    with pytest.raises(payment.PaymentRefusedError) as session:
        await payment.get_checkout_session("cs_unknown")
    assert refund.value.details["code"] == session.value.details["code"] == "resource_missing"


# A right call of every function that sends something.
CALLS: dict[str, dict[str, Any]] = {
    "create_payment_intent": {
        "amount": 1, "currency": "eur", "customer_id": "cus_1", "metadata": {}, "idempotency_key": "k",
    },
    "create_customer": {"email": "a@example.com", "name": "A", "metadata": {}, "idempotency_key": "k"},
    "create_refund": {
        "payment_intent_id": "pi_1", "amount": 1, "reason": "duplicate", "metadata": {}, "idempotency_key": "k",
    },
    "create_checkout_session": {
        "amount": 1, "currency": "eur", "description": "d", "reference": "r", "metadata": {}, "idempotency_key": "k",
    },
    "get_checkout_session": {"session_id": "cs_1"},
    "verify_webhook_signature": {"body": b"", "signature": None},
    "construct_event": {"body": b"", "signature": None},
}  # fmt: skip
# Of a wrong type for any argument, or of a right one and not sendable.
NEVER: list[Any] = [
    1.5,
    True,
    object(),
    ["a"],
    {"a": 1},
    {1: "a"},
    {"a": None},
    "\ud800",
    {"a": "\ud800"},
    {"\ud800": "a"},
]
# Right for one argument and wrong for another, or of a wrong size.
WRONG: dict[str, list[Any]] = {
    "amount": ["1", 0, -1, 100_000_000, 10**400, b"1"],
    "currency": [1, "EUR", "euro", "", "eu\n", b"eur", None],
    "metadata": [
        1, "a", {"": "v"}, {"n" * 41: "v"}, {"n": "v" * 501}, {str(number): "" for number in range(51)},
    ],
    "idempotency_key": [1, "", "k" * 256, "a\nb", "schl\u00fcssel", b"k"],
    "reason": [1, "", "because", b"duplicate"],
    "body": ["text", None, 1],
    "signature": [b"t=1", 1],
}  # fmt: skip
TEXTS: list[Any] = [1, b"a", ""]


@pytest.mark.parametrize("name", CALLS)
async def test_payment_functions_refuse_every_wrong_argument(name: str) -> None:
    function = getattr(payment, name)
    parameters = inspect.signature(function).parameters
    assert parameters.keys() == CALLS[name].keys()
    for parameter in parameters:
        for value in [*NEVER, *WRONG.get(parameter, TEXTS)]:
            if parameter == "signature" and isinstance(value, str):
                continue  # Any text may come in a header: it is a wrong signature.
            with pytest.raises(ValidationError) as caught:
                await function(**{**CALLS[name], parameter: value})
            assert caught.value.field == parameter, value
            assert caught.value.message.startswith(f"{parameter}: ")
            assert "ud800" not in str(caught.value.to_dict())
            assert caught.value.__context__ is None


async def test_payment_functions_are_all_tried_here() -> None:
    public = {name for name, value in vars(payment).items() if inspect.isfunction(value)}

    assert public - CALLS.keys() == {"get_payments", "in_test_mode", "is_ours", "make_payments"} | (
        public & {"payment_health_checks"}
    )


async def test_create_checkout_session_takes_any_mapping_as_metadata() -> None:
    made = await payment.create_checkout_session(
        1250, description="A donation", reference="7", metadata=MappingProxyType({"order_id": "7"})
    )
    assert made.metadata == {"order_id": "7"}


async def test_create_refund_takes_a_reason() -> None:
    intent = await payment.create_payment_intent(1250)
    assert (await payment.create_refund(intent.id, reason="requested_by_customer")).amount == 1250


async def test_check_returns_where_payments_can_be_made() -> None:
    await payment.get_payments().client.check()
