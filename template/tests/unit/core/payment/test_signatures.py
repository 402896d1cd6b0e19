"""Webhooks are Stripe's and recent, or they are refused: compared with Stripe's own library."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import stripe
from pydantic import SecretStr

from app.core import payment
from app.core.config.section import Environment
from app.core.config.stripe import StripeSettings
from app.core.exceptions import ValidationError
from app.core.payment import SignatureError
from tests.applications import process_with
from tests.orders import WEBHOOK_SECRET, make_stripe_settings, sign

BODY = b'{"id": "evt_1", "object": "event", "type": "t", "created": 1, "livemode": false, "data": {"object": {}}}'


@contextmanager
def taking_payments(settings: StripeSettings) -> Iterator[None]:
    with process_with(payment.make_payments(settings, Environment.DEVELOPMENT)):
        yield


@pytest.fixture(autouse=True)
def payments() -> Iterator[None]:
    with taking_payments(make_stripe_settings(webhook_tolerance_seconds=300)):
        yield


def refused(body: bytes, signature: str | None) -> str:
    with pytest.raises(SignatureError) as caught:
        payment.verify_webhook_signature(body, signature)
    return caught.value.message


def test_verify_webhook_signature_agrees_with_stripe_s_library() -> None:
    made = stripe.WebhookSignature.generate_signature_header(BODY.decode(), WEBHOOK_SECRET)
    assert payment.verify_webhook_signature(BODY, made) is True
    assert stripe.WebhookSignature.verify_header(BODY, sign(BODY), WEBHOOK_SECRET, 300)


def test_construct_event_reads_an_event_once_its_signature_is_right() -> None:
    event = payment.construct_event(BODY, sign(BODY))

    assert (event.id, event.type, event.livemode, event.created.timestamp()) == ("evt_1", "t", False, 1)
    with pytest.raises(SignatureError):
        payment.construct_event(BODY, None)


@pytest.mark.parametrize("age", [-298, 0, 299])
def test_verify_webhook_signature_takes_a_recent_one(age: float) -> None:
    payment.verify_webhook_signature(BODY, sign(BODY, at=time.time() - age))


@pytest.mark.parametrize("age", [302, 10**9])
def test_verify_webhook_signature_refuses_an_old_one(age: float) -> None:
    assert "too old" in refused(BODY, sign(BODY, at=time.time() - age))


@pytest.mark.parametrize("ahead", [302, 10**9])
def test_verify_webhook_signature_refuses_one_from_a_time_to_come(ahead: float) -> None:
    assert "clocks" in refused(BODY, sign(BODY, at=time.time() + ahead))


def test_verify_webhook_signature_refuses_another_body_or_secret() -> None:
    wrong = "The webhook's signature is wrong: STRIPE_WEBHOOK_SECRET must be its endpoint's."
    assert refused(BODY + b" ", sign(BODY)) == wrong
    assert refused(BODY, sign(BODY, secret="whsec_of_another")) == wrong
    # The moment is signed, too: an old webhook cannot be made new.
    old = sign(BODY, at=time.time() - 1000)
    assert refused(BODY, f"t={int(time.time())},{old.partition(',')[2]}") == wrong
    assert refused(BODY, sign(BODY).replace("v1=", "v0=")) == wrong
    assert refused(BODY, f"t={int(time.time())},v1=é,v1=,v1") == wrong


@pytest.mark.parametrize(
    "signature", [None, "", "v1=a", "t=,v1=a", "t=x,v1=a", "t=-1,v1=a", "t=٣,v1=a", "t=1,t=2,v1=a"]
)
def test_verify_webhook_signature_refuses_what_is_no_signature(signature: str | None) -> None:
    assert refused(BODY, signature) == "The webhook has no signature."


def test_construct_event_refuses_bytes_that_are_no_text() -> None:
    body = b"\xff\xfe"
    with pytest.raises(ValidationError):
        payment.construct_event(body, sign(body))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"null",
        b"{}",
        b'{"id": "evt_1"}',
        BODY.replace(b"evt_1", b"e" * 256),
        BODY.replace(b"evt_1", b"a\\u0000b"),
        BODY.replace(b'"data": {"object": {}}', b'"related_object": {}'),
    ],
)
def test_construct_event_refuses_what_is_no_event(body: bytes) -> None:
    with pytest.raises(ValidationError) as caught:
        payment.construct_event(body, sign(body))
    assert caught.value.__context__ is None


def test_verify_webhook_signature_takes_either_of_two_signatures() -> None:
    good, other = sign(BODY), sign(BODY, secret="whsec_of_another")
    payment.verify_webhook_signature(BODY, f"{other},{good.partition(',')[2]},v0=x")


def test_verify_webhook_signature_takes_each_of_several_secrets() -> None:
    listed = SecretStr("whsec_rolled_out, whsec_rolled_in,whsec_of_connect")
    with taking_payments(make_stripe_settings(webhook_secret=listed)):
        for secret in ("whsec_rolled_out", "whsec_rolled_in", "whsec_of_connect"):
            assert payment.verify_webhook_signature(BODY, sign(BODY, secret=secret))
        for secret in (WEBHOOK_SECRET, "", listed.get_secret_value(), " whsec_rolled_in"):
            assert "wrong" in refused(BODY, sign(BODY, secret=secret))


def test_verify_webhook_signature_refuses_all_without_a_secret() -> None:
    with taking_payments(StripeSettings()):
        reason = refused(BODY, sign(BODY, secret=""))
    assert reason == "Webhooks are not accepted here: STRIPE_WEBHOOK_SECRET is not set."
    with taking_payments(StripeSettings(webhook_secret=SecretStr("whsec_x"))):
        payment.verify_webhook_signature(BODY, sign(BODY, secret="whsec_x"))
