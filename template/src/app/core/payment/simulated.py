"""Payments that are made up, where Stripe is switched off outside of production.

Answers depend on the idempotency key alone, so that they are the same in every process and run. Whoever opens the
checkout page has paid: a developer sees an order through to its refund without an account.
"""

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar, cast

from app.core.cache import TTLCache
from app.core.payment.arguments import RefundReason
from app.core.payment.errors import PaymentConflictError, PaymentRefusedError
from app.core.payment.gateway import Charge
from app.core.payment.results import CheckoutSession, Customer, PaymentIntent, Refund, StripeObject

T = TypeVar("T", bound=StripeObject)

# As long as Stripe keeps them at least (API reference, "Idempotent requests").
_KEPT_SECONDS: Final = 86_400.0
_MAX_KEPT: Final = 10_000
_DIGITS: Final = 24


class SimulatedGateway:
    """The stand-in. It remembers what this process did, the latest ten thousand of each."""

    test_mode: Final = True

    def __init__(self) -> None:
        self._answers: TTLCache[str, tuple[object, StripeObject]] = TTLCache(max_entries=_MAX_KEPT, ttl=_KEPT_SECONDS)
        self._sessions: TTLCache[str, CheckoutSession] = TTLCache(max_entries=_MAX_KEPT, ttl=_KEPT_SECONDS)
        # What has not been refunded of each payment.
        self._left: TTLCache[str, int] = TTLCache(max_entries=_MAX_KEPT, ttl=_KEPT_SECONDS)

    async def create_payment_intent(
        self, charge: Charge, *, customer_id: str | None, idempotency_key: str
    ) -> PaymentIntent:
        """An amount that is paid at once."""

        def make() -> PaymentIntent:
            intent_id = _make_id("pi", idempotency_key)
            self._left.set(intent_id, charge.amount)
            return _read(
                PaymentIntent,
                id=intent_id,
                amount=charge.amount,
                currency=charge.currency,
                status="succeeded",
                customer=customer_id,
                client_secret=f"{intent_id}_secret_test",
            )

        return self._once(idempotency_key, (charge, customer_id), make)

    async def create_customer(
        self, *, email: str | None, name: str | None, metadata: Mapping[str, str], idempotency_key: str
    ) -> Customer:
        """Make a customer up."""
        return self._once(
            idempotency_key,
            (email, name, dict(metadata)),
            lambda: _read(Customer, id=_make_id("cus", idempotency_key), email=email),
        )

    async def create_refund(
        self,
        payment_intent_id: str,
        *,
        amount: int | None,
        reason: RefundReason | None,
        metadata: Mapping[str, str],
        idempotency_key: str,
    ) -> Refund:
        """Money that is back at once. What other processes were paid is taken on trust."""

        def make() -> Refund:
            left = self._left.get(payment_intent_id, amount)
            if left is None:
                raise _refused("resource_missing")
            refunded = left if amount is None else amount
            if refunded > left or not left:
                raise _refused("charge_already_refunded")
            self._left.set(payment_intent_id, left - refunded)
            return _read(
                Refund,
                id=_make_id("re", idempotency_key),
                amount=refunded,
                status="succeeded",
                payment_intent=payment_intent_id,
            )

        return self._once(idempotency_key, (payment_intent_id, amount, reason, dict(metadata)), make)

    async def create_checkout_session(
        self, charge: Charge, *, description: str, success_url: str, cancel_url: str, idempotency_key: str
    ) -> CheckoutSession:
        """A page whose visitor has paid already; it leads straight back."""

        def make() -> CheckoutSession:
            intent_id = _make_id("pi", idempotency_key)
            self._left.set(intent_id, charge.amount)
            session = _read(
                CheckoutSession,
                id=_make_id("cs_test", idempotency_key),
                url=success_url,
                status="complete",
                payment_status="paid",
                amount_total=charge.amount,
                currency=charge.currency,
                payment_intent=intent_id,
                metadata=dict(charge.metadata),
                expires_at=datetime.now(UTC) + timedelta(seconds=_KEPT_SECONDS),
            )
            self._sessions.set(session.id, session)
            return session

        return self._once(idempotency_key, (charge, description, success_url, cancel_url), make)

    async def get_checkout_session(self, session_id: str) -> CheckoutSession:
        """A page of this process."""
        session = self._sessions.get(session_id)
        if session is None:
            raise _refused("resource_missing")
        return session

    async def check(self) -> None:
        """It is always there."""

    def _once(self, key: str, parameters: object, make: Callable[[], T]) -> T:
        # The name of the function tells operations apart that were given equal parameters.
        asked = (make.__qualname__, parameters)
        kept = self._answers.get(key)
        if kept is None:
            answer = make()
            self._answers.set(key, (asked, answer))
            return answer
        if kept[0] != asked:
            raise PaymentConflictError("This idempotency key was used for something else.")
        return cast("T", kept[1])


def _make_id(prefix: str, idempotency_key: str) -> str:
    return f"{prefix}_{hashlib.sha256(f'{prefix} {idempotency_key}'.encode()).hexdigest()[:_DIGITS]}"


def _read(kind: type[T], **values: object) -> T:
    return kind.read(values, test_mode=True)


def _refused(code: str) -> PaymentRefusedError:
    return PaymentRefusedError("The payment service refused this.", details={"code": code})
