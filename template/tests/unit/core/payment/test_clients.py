"""Stripe and its stand-in keep the same contract."""

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


@pytest.mark.parametrize(
    ("field", "wrong"), [("amount", 0), ("amount", -1), ("currency", "EUR"), ("currency", "euro"), ("currency", "eu\n")]
)
async def test_payment_functions_refuse_a_wrong_amount_or_currency(field: str, wrong: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        await payment.create_payment_intent(**{"amount": 1, field: wrong})
    assert caught.value.field == field
    with pytest.raises(ValidationError):
        await payment.create_checkout_session(**{"amount": 1, "description": "d", "reference": "r", field: wrong})
    if field == "amount":
        with pytest.raises(ValidationError):
            await payment.create_refund("pi_1", amount=wrong)


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
