"""The real library against a Stripe of our own: what is sent, and what comes of every failure."""

import json
import time

import pytest
from pydantic import SecretStr

from app.api.errors import status_of
from app.core import monitor, payment
from app.core.config.section import Environment
from app.core.exceptions import AppException
from tests.logs import captured_log
from tests.orders import make_stripe_settings, payments_at_stripe
from tests.servers.http import Answer, hang, reply, then_close, then_reset, unused_url
from tests.servers.stripe import KEY, Refusal, StripeServer, decode
from tests.traces import find_in_traceback

pytestmark = pytest.mark.anyio


def error(status: int, kind: str, **facts: str) -> Answer:
    """Stripe's error, from something in front of its API."""
    body = json.dumps({"error": {"type": kind, "message": "Planted.", **facts}}).encode()
    return reply(status, body, Content_Type="application/json")


DECLINED = error(402, "card_error", code="card_declined", decline_code="stolen_card")


async def test_create_checkout_session_sends_what_the_reference_says(stripe: StripeServer) -> None:
    await payment.create_checkout_session(
        1250, "eur", description="Tea & cake", reference="7", metadata={"order_id": "7"}, idempotency_key="order-7"
    )

    (request,) = stripe.http.requests
    assert (request.method, request.target) == ("POST", "/v1/checkout/sessions")
    assert decode(request.body.decode()) == {
        "mode": "payment",
        "line_items": [
            {
                "quantity": "1",
                "price_data": {"currency": "eur", "unit_amount": "1250", "product_data": {"name": "Tea & cake"}},
            }
        ],
        "success_url": "https://www.example.com/orders?shop=1&reference=7&outcome=done",
        "cancel_url": "https://www.example.com/orders?shop=1&reference=7&outcome=cancelled",
        "metadata": {"order_id": "7"},
        "payment_intent_data": {"metadata": {"order_id": "7"}},
    }
    assert request.headers["idempotency-key"] == "order-7"


@pytest.mark.parametrize(
    "fault",
    [
        then_close(b""),
        then_reset(b"HTTP/1.1 200 x\r\nContent-Length: 100\r\n\r\n{"),
        error(409, "idempotency_error", code="idempotency_key_in_use"),
        error(429, "invalid_request_error", code="rate_limit"),
        error(500, "api_error"),
        reply(503, b"<html>"),
    ],
    ids=["closed", "reset", "409", "429", "500", "503"],
)
async def test_create_payment_intent_repeats_what_may_pass_with_the_same_key(
    fault: Answer, stripe: StripeServer
) -> None:
    stripe.faults.extend([fault, fault])

    intent = await payment.create_payment_intent(1250)

    assert stripe.effects == [intent.id]
    assert len(stripe.keys) == 3
    assert len(set(stripe.keys)) == 1


async def test_create_payment_intent_does_nothing_twice_after_a_lost_answer(stripe: StripeServer) -> None:
    stripe.lost.append(then_reset(b""))

    intent = await payment.create_payment_intent(1250)

    assert stripe.effects == [intent.id]
    assert len(stripe.http.requests) == 2


@pytest.mark.parametrize(
    ("fault", "raised", "status", "attempts"),
    [
        (DECLINED, payment.PaymentDeclinedError, 409, 1),
        (error(400, "invalid_request_error", code="amount_too_small"), payment.PaymentRefusedError, 409, 1),
        (error(404, "invalid_request_error", code="resource_missing"), payment.PaymentRefusedError, 409, 1),
        (error(400, "idempotency_error"), payment.PaymentConflictError, 409, 1),
        (error(401, "invalid_request_error"), payment.PaymentAccessError, 503, 1),
        (error(403, "invalid_request_error"), payment.PaymentAccessError, 503, 1),
        (error(409, "api_error", code="lock_timeout"), payment.PaymentUnavailableError, 503, 3),
        (error(429, "invalid_request_error"), payment.PaymentUnavailableError, 503, 3),
        (error(500, "api_error"), payment.PaymentBrokenError, 503, 3),
        (reply(502, b"<html>planted"), payment.PaymentBrokenError, 503, 3),
        (reply(200, b"<html>planted"), payment.PaymentUnavailableError, 503, 1),
        (reply(200, b"[]"), payment.PaymentUnavailableError, 503, 1),
        (reply(200, b"null"), payment.PaymentUnavailableError, 503, 1),
        (reply(200, b'{"id": "pi_1", "object": "payment_intent"}'), payment.PaymentUnavailableError, 503, 1),
        (reply(302, b"", Location="http://example.com"), payment.PaymentUnavailableError, 503, 1),
        (then_close(b""), payment.PaymentUnavailableError, 503, 3),
        (then_close(b"planted\r\n\r\n"), payment.PaymentUnavailableError, 503, 3),
    ],
)  # fmt: skip
async def test_create_payment_intent_has_an_error_and_status_for_each_failure(
    fault: Answer, raised: type[AppException], status: int, attempts: int, stripe: StripeServer
) -> None:
    stripe.faults.extend([fault] * attempts)

    with pytest.raises(raised) as caught:
        await payment.create_payment_intent(1250)

    assert type(caught.value) is raised
    assert status_of(caught.value) == status
    assert len(stripe.http.requests) == attempts
    assert stripe.effects == []
    assert "lanted" not in caught.value.message or raised is payment.PaymentDeclinedError
    assert "stolen" not in str(caught.value.to_dict())


async def test_create_payment_intent_ends_in_time_where_stripe_hangs(http: None) -> None:
    async with payments_at_stripe(timeout_seconds=0.1, attempts=2, total_seconds=1) as stripe:
        stripe.faults.extend([hang(), hang()])
        began = time.perf_counter()
        with pytest.raises(payment.PaymentTimeoutError) as caught:
            await payment.create_payment_intent(1250)
        # Without a limit it would hang for good; on a busy machine an attempt may be over before it has arrived.
        assert time.perf_counter() - began < 10
        assert len(stripe.http.requests) <= 2
    assert status_of(caught.value) == 504


async def test_create_payment_intent_bounds_the_time_for_all_attempts(http: None) -> None:
    async with payments_at_stripe(timeout_seconds=0.2, attempts=10, total_seconds=0.3) as stripe:
        stripe.faults.extend([hang()] * 10)
        began = time.perf_counter()
        with pytest.raises(payment.PaymentTimeoutError):
            await payment.create_payment_intent(1250)
        assert time.perf_counter() - began < 10


async def test_create_payment_intent_raises_where_stripe_refuses_connections(http: None) -> None:
    async with payments_at_stripe(api_base=unused_url(), attempts=1):
        with pytest.raises(payment.PaymentUnavailableError):
            await payment.create_payment_intent(1250)


async def test_create_payment_intent_shows_neither_key_nor_answer_in_a_failure(stripe: StripeServer) -> None:
    secret = "4242-of-the-payer"
    for fault in (
        error(400, "invalid_request_error", code="amount_too_small", payment_method=secret),
        error(401, "invalid_request_error", param=secret),
        reply(200, json.dumps({"id": secret * 99, "amount": secret}).encode()),
        reply(200, b"<html>" + secret.encode()),
        then_close(secret.encode() + b"\r\n\r\n"),
    ):
        stripe.faults.extend([fault] * 3)
        with captured_log(level="DEBUG") as log, pytest.raises(payment.PaymentError) as caught:
            await payment.create_payment_intent(1250)
        stripe.faults.clear()
        for planted in (KEY, secret):
            assert planted not in log.text
            assert find_in_traceback(caught.value, planted) == []


async def test_payment_declined_error_tells_the_payer_and_not_the_bank_s_reason(stripe: StripeServer) -> None:
    stripe.refusals.append(Refusal(402, "card_error", "card_declined", decline_code="stolen_card"))

    with pytest.raises(payment.PaymentDeclinedError) as caught:
        await payment.create_payment_intent(1250, idempotency_key="one")
    with pytest.raises(payment.PaymentDeclinedError):
        await payment.create_payment_intent(1250, idempotency_key="one")

    assert caught.value.message == "Planted: card_declined."
    assert caught.value.details == {"code": "card_declined", "stripe_request_id": "req_1"}


async def test_create_payment_intent_reports_a_mistake_of_ours(
    stripe: StripeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[BaseException] = []
    monkeypatch.setattr(monitor, "capture_exception", lambda err, **_: reported.append(err))
    stripe.faults.append(error(401, "invalid_request_error"))
    with pytest.raises(payment.PaymentAccessError) as caught:
        await payment.create_payment_intent(1250)
    stripe.faults.append(error(402, "card_error", code="card_declined"))
    with pytest.raises(payment.PaymentDeclinedError):
        await payment.create_payment_intent(1250)

    assert reported == [caught.value]


async def test_check_raises_where_stripe_does_not_take_the_key(stripe: StripeServer) -> None:
    stripe.faults.append(error(401, "invalid_request_error"))
    with pytest.raises(payment.PaymentUnavailableError, match="Does not accept"):
        await payment.get_payments().client.check()
    await payment.get_payments().client.check()

    assert [request.target for request in stripe.http.requests] == ["/v1/balance"] * 2


async def test_check_takes_a_key_that_may_not_read_the_balance(stripe: StripeServer) -> None:
    stripe.faults.append(error(403, "invalid_request_error"))

    await payment.get_payments().client.check()


@pytest.mark.parametrize("key", [None, SecretStr("sk_test_1")])
def test_make_payments_takes_none_in_production_without_a_live_key(key: SecretStr | None) -> None:
    assert payment.make_payments(make_stripe_settings(secret_key=key), Environment.PRODUCTION).switched_off
    live = payment.make_payments(make_stripe_settings(secret_key=SecretStr("sk_live_1")), Environment.PRODUCTION)
    assert not live.switched_off
    assert not live.client.test_mode
