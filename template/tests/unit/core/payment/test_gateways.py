"""Stripe and its stand-in keep the same contract."""

import pytest

from app.core import payment
from app.core.exceptions import ValidationError

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("way")]


async def test_everything_says_that_it_is_a_test() -> None:
    assert payment.in_test_mode()
    intent = await payment.create_payment_intent(1250)
    customer = await payment.create_customer(email="payer@example.com")
    session = await payment.create_checkout_session(1250, description="A donation", reference="7")
    refund = await payment.create_refund(intent.id)
    assert all(each.test_mode for each in (intent, customer, session, refund))
    assert [each.id.split("_")[0] for each in (intent, customer, session, refund)] == ["pi", "cus", "cs", "re"]


async def test_an_intent_is_what_was_asked_for() -> None:
    customer = await payment.create_customer(email="payer@example.com", name="A Payer", metadata={"plan": "small"})
    intent = await payment.create_payment_intent(1250, "jpy", customer_id=customer.id, metadata={"order": "7"})

    assert (intent.amount, intent.currency, intent.customer_id) == (1250, "jpy", customer.id)
    assert intent.client_secret
    assert intent.client_secret.get_secret_value() not in repr(intent)
    assert customer.email == "payer@example.com"


async def test_a_page_is_for_what_was_asked_and_can_be_looked_up() -> None:
    made = await payment.create_checkout_session(
        1250, "eur", description="A donation", reference="7", metadata={"order_id": "7"}
    )

    assert (made.amount, made.currency, made.metadata) == (1250, "eur", {"order_id": "7"})
    assert made.url
    assert made.url.startswith("http")
    assert await payment.get_checkout_session(made.id) == made


async def test_the_same_key_has_one_effect_and_one_answer() -> None:
    first, second = [await payment.create_payment_intent(1250, idempotency_key="order-7") for _ in range(2)]
    other = await payment.create_payment_intent(1250, idempotency_key="order-8")
    assert first == second
    assert other.id != first.id

    one, same = [await payment.create_refund(first.id, idempotency_key="refund-7") for _ in range(2)]
    assert one == same
    assert one.amount == 1250


async def test_no_key_is_a_new_key_each_time() -> None:
    assert (await payment.create_payment_intent(1250)).id != (await payment.create_payment_intent(1250)).id


async def test_the_same_key_for_something_else_is_refused() -> None:
    await payment.create_payment_intent(1250, idempotency_key="order-7")
    with pytest.raises(payment.PaymentConflictError):
        await payment.create_payment_intent(1251, idempotency_key="order-7")
    with pytest.raises(payment.PaymentConflictError):
        await payment.create_customer(idempotency_key="order-7")


async def test_no_more_is_refunded_than_was_paid() -> None:
    intent = await payment.create_payment_intent(1250)
    assert (await payment.create_refund(intent.id, amount=250)).amount == 250
    assert (await payment.create_refund(intent.id)).amount == 1000

    with pytest.raises(payment.PaymentRefusedError) as caught:
        await payment.create_refund(intent.id)
    assert caught.value.details["code"] == "charge_already_refunded"


async def test_what_does_not_exist_is_refused() -> None:
    with pytest.raises(payment.PaymentRefusedError) as refund:
        await payment.create_refund("pi_unknown")
    with pytest.raises(payment.PaymentRefusedError) as session:
        await payment.get_checkout_session("cs_unknown")
    assert refund.value.details["code"] == session.value.details["code"] == "resource_missing"


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"amount": 0}, "amount"),
        ({"amount": -1}, "amount"),
        ({"amount": payment.MAX_AMOUNT + 1}, "amount"),
        ({"amount": 1, "currency": "EUR"}, "currency"),
        ({"amount": 1, "currency": "euro"}, "currency"),
        ({"amount": 1, "idempotency_key": ""}, "idempotency_key"),
        ({"amount": 1, "idempotency_key": "k" * 256}, "idempotency_key"),
        ({"amount": 1, "idempotency_key": "a\nb"}, "idempotency_key"),
        ({"amount": 1, "idempotency_key": "schlüssel"}, "idempotency_key"),
        ({"amount": 1, "metadata": {"": "v"}}, "metadata"),
        ({"amount": 1, "metadata": {"n" * 41: "v"}}, "metadata"),
        ({"amount": 1, "metadata": {"n": "v" * 501}}, "metadata"),
        ({"amount": 1, "metadata": {str(number): "" for number in range(51)}}, "metadata"),
    ],
)
async def test_what_breaks_a_rule_is_not_even_sent(arguments: dict[str, object], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        await payment.create_payment_intent(**arguments)  # type: ignore[arg-type] # wrong on purpose
    assert caught.value.field == field


async def test_a_refund_of_nothing_is_refused() -> None:
    with pytest.raises(ValidationError):
        await payment.create_refund("pi_1", amount=0)


async def test_its_health_can_be_asked() -> None:
    await payment.get_payments().gateway.check()
