"""Simulated payments, for stages other than production while Stripe is switched off.

Answers depend on the idempotency key alone, so that they are the same in every process and run. A visitor of the
checkout page has paid already: a developer sees an order through to its refund without an account.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar, cast

from app.core.cache import TTLCache
from app.core.payment.errors import PaymentConflictError, PaymentRefusedError
from app.core.payment.objects import CheckoutSession, PaymentIntent, Refund, StripeObject

T = TypeVar("T", bound=StripeObject)

# As long as Stripe keeps them at least (API reference, "Idempotent requests").
_KEPT_SECONDS: Final = 86_400.0
_MAX_KEPT: Final = 10_000
_DIGITS: Final = 24


class SimulatedClient:
    """The stand-in. It remembers what this process did, the latest ten thousand of each."""

    test_mode: Final = True

    def __init__(self) -> None:
        self._answers: TTLCache[str, tuple[object, StripeObject]] = TTLCache(max_entries=_MAX_KEPT, ttl=_KEPT_SECONDS)
        self._sessions: TTLCache[str, CheckoutSession] = TTLCache(max_entries=_MAX_KEPT, ttl=_KEPT_SECONDS)
        # What has not been refunded of each payment.
        self._left: TTLCache[str, int] = TTLCache(max_entries=_MAX_KEPT, ttl=_KEPT_SECONDS)

    async def create(self, kind: type[T], params: Mapping[str, Any], *, idempotency_key: str) -> T:
        """Make an object up, the same one for the same key."""
        asked = (kind, params)
        kept = self._answers.get(idempotency_key)
        if kept is None:
            made = kind.read({**params, **self._invent(kind, params, idempotency_key)}, test_mode=True)
            if isinstance(made, CheckoutSession):
                self._sessions.set(made.id, made)
            kept = asked, made
            self._answers.set(idempotency_key, kept)
        if kept[0] != asked:
            raise PaymentConflictError("This idempotency key was used for something else.")
        return cast("T", kept[1])

    async def get_checkout_session(self, session_id: str) -> CheckoutSession:
        """Return a page of this process."""
        session = self._sessions.get(session_id)
        if session is None:
            raise _refused("resource_missing")
        return session

    async def check(self) -> None:
        """Return: it is always there."""

    def _invent(self, kind: type[StripeObject], params: Mapping[str, Any], key: str) -> dict[str, object]:
        if kind is PaymentIntent:
            # It is paid at once.
            intent_id = _make_id("pi", key)
            self._left.set(intent_id, params["amount"])
            return {"id": intent_id, "status": "succeeded", "client_secret": f"{intent_id}_secret_test"}
        if kind is CheckoutSession:
            intent_id, price = _make_id("pi", key), params["line_items"][0]["price_data"]
            self._left.set(intent_id, price["unit_amount"])
            return {
                "id": _make_id("cs_test", key),
                "url": params["success_url"],
                "status": "complete",
                "payment_status": "paid",
                "amount_total": price["unit_amount"],
                "currency": price["currency"],
                "payment_intent": intent_id,
                "expires_at": datetime.now(UTC) + timedelta(seconds=_KEPT_SECONDS),
            }
        if kind is Refund:
            # The money is back at once. What other processes were paid is taken on trust.
            left = self._left.get(params["payment_intent"], params.get("amount"))
            if left is None:
                raise _refused("resource_missing")
            refunded = params.get("amount", left)
            if refunded > left or not left:
                raise _refused("charge_already_refunded")
            self._left.set(params["payment_intent"], left - refunded)
            return {"id": _make_id("re", key), "amount": refunded, "status": "succeeded"}
        return {"id": _make_id("cus", key)}


def _make_id(prefix: str, idempotency_key: str) -> str:
    return f"{prefix}_{hashlib.sha256(f'{prefix} {idempotency_key}'.encode()).hexdigest()[:_DIGITS]}"


def _refused(code: str) -> PaymentRefusedError:
    return PaymentRefusedError("The payment service refused this.", details={"code": code})
