"""Payments at Stripe, through its SDK. Loading that takes 0.2 s, so a process with payments off does without."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final, TypeVar

import stripe
from pydantic import SecretStr

from app.core.config.stripe import StripeSettings
from app.core.exceptions import AppException, ExternalServiceError, TimeoutError
from app.core.http import ANY_STATUS, Method, RetryConfig, fetch_with_retry
from app.core.monitoring import monitor
from app.core.payment.errors import (
    PaymentAccessError,
    PaymentBrokenError,
    PaymentConflictError,
    PaymentDeclinedError,
    PaymentRefusedError,
    PaymentTimeoutError,
    PaymentUnavailableError,
)
from app.core.payment.objects import (
    CheckoutSession,
    Customer,
    PaymentIntent,
    Refund,
    StripeObject,
    UnreadableError,
)

T = TypeVar("T", bound=StripeObject)

SERVICE: Final = "Stripe"

# What the API needs. The SDK would add facts about this machine, and how long earlier calls took.
_SENT: Final = frozenset({"authorization", "content-type", "idempotency-key", "stripe-version"})
_METHODS: Final[Mapping[str, Method]] = {"delete": "DELETE", "get": "GET", "post": "POST"}
# Worth another attempt: a failure of Stripe's; another request holds the object or the key; there are too many. Stripe
# asks for all of them to be repeated, later and with the same key (documentation, "Advanced error handling" and "Rate
# limits").
_PASSING: Final = frozenset({HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS, *range(500, 600)})


class StripeClient:
    """Stripe. Each call raises a `PaymentError` of `app.core.payment.errors`.

    Args:
        secret_key: The one of the settings, which is there.
        settings: The others.
    """

    def __init__(self, secret_key: SecretStr, settings: StripeSettings) -> None:
        self.test_mode = settings.has_test_key
        # Else it writes an id of this machine into the user's home, and sends it along.
        stripe.enable_telemetry = False
        # It logs each call as a line of its own making, paths included; ours are in app.core.http.
        logging.getLogger("stripe").setLevel(logging.WARNING)
        self._client = stripe.StripeClient(
            secret_key.get_secret_value(),
            base_addresses={"api": settings.api_base},
            http_client=_Transport(settings),
        ).v1
        # Their parameters are typed one by one, and compared with those types by the server of the tests.
        self._create: dict[type[StripeObject], Callable[..., Awaitable[stripe.StripeObject]]] = {
            PaymentIntent: self._client.payment_intents.create_async,
            Customer: self._client.customers.create_async,
            Refund: self._client.refunds.create_async,
            CheckoutSession: self._client.checkout.sessions.create_async,
        }

    async def create(self, kind: type[T], params: Mapping[str, Any], *, idempotency_key: str) -> T:
        """Make an object of Stripe's: once for a key, whatever is lost on the way.

        Args:
            kind: The object's type.
            params: By the names of Stripe's API reference.
            idempotency_key: The same for every repetition of the same wish.
        """
        return await self._call(kind, self._create[kind](params, {"idempotency_key": idempotency_key}))

    async def get_checkout_session(self, session_id: str) -> CheckoutSession:
        """Return a checkout page as it is now."""
        return await self._call(CheckoutSession, self._client.checkout.sessions.retrieve_async(session_id))

    async def check(self) -> None:
        """Check that Stripe can be reached and takes the key; no probe asks, and the overview every five seconds.

        Raises:
            PaymentError: It cannot, or does not.
        """
        try:
            await self._client.balance.retrieve_async()
        except stripe.PermissionError:
            return  # A restricted key that may do other things.
        except (stripe.StripeError, AppException) as err:
            failure = _translate(err)
        else:
            return
        # Out here, as below.
        raise failure

    async def _call(self, kind: type[T], call: Awaitable[stripe.StripeObject]) -> T:
        with monitor.trace(f"payment.{kind.__name__}"):
            try:
                return kind.read((await call).to_dict(), test_mode=self.test_mode)
            except (stripe.StripeError, AppException, UnreadableError) as err:
                failure = _translate(err)
            except (AttributeError, TypeError, ValueError):
                # What the SDK does with JSON that is no object.
                failure = _translate(UnreadableError("no object"))
        if isinstance(failure, PaymentAccessError | PaymentConflictError | PaymentRefusedError):
            # Answered like any other refusal; a mistake of ours all the same, more often than not.
            monitor.capture_exception(failure, context={"operation": kind.__name__})
        # Out here, where it has neither cause nor context: the SDK's frames hold the key, its errors the answer.
        raise failure


class _Transport(stripe.HTTPClient):
    """The SDK's way out: through `app.core.http`, as all calls to other services go.

    The SDK's own clients wait 80 s for each attempt and without end for all of them, ignore this application's proxy
    and certificate authorities, and send along which machine and which programs they run on.
    """

    name = "app"

    def __init__(self, settings: StripeSettings) -> None:
        super().__init__()
        self._timeout_seconds = settings.timeout_seconds
        # Stripe notices a duplicate by its key.
        self._retry = RetryConfig(
            attempts=settings.attempts, total_seconds=settings.total_seconds, statuses=_PASSING, any_method=True
        )

    async def request_with_retries_async(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        post_data: Any = None,  # noqa: ANN401 — the SDK's own signature
        max_network_retries: int | None = None,  # noqa: ARG002 — ours decides
        *,
        _usage: list[str] | None = None,
    ) -> tuple[bytes, int, Mapping[str, str]]:
        """Send one call, and again where that may help, always with the same headers and so the same key.

        Raises:
            ExternalServiceError: See `fetch_with_retry`.
            TimeoutError: See there.
        """
        sent = {name: SecretStr(value) for name, value in headers.items() if name.lower() in _SENT}
        answer = await fetch_with_retry(
            _METHODS[method],
            url,
            service=SERVICE,
            retry=self._retry,
            headers=sent,
            accept=ANY_STATUS,
            timeout_seconds=self._timeout_seconds,
            **({"content": post_data.encode()} if post_data else {}),
        )
        return answer.body, answer.status, answer.headers


def _translate(  # noqa: PLR0911 — a table: each kind of error has its line
    error: stripe.StripeError | AppException | UnreadableError,
) -> AppException:
    """Return the application's error. Stripe's own holds the whole answer, which belongs to customers."""
    match error:
        case TimeoutError():
            return PaymentTimeoutError(error.message, details=error.details)
        case ExternalServiceError():
            return PaymentUnavailableError(SERVICE, error.message.removeprefix(f"{SERVICE}: "))
        case AppException():
            return error
        case UnreadableError():
            return PaymentUnavailableError(SERVICE, f"Answered something unexpected ({error}).")
        case stripe.CardError():
            # Written for the customer (API reference, "Errors": message). The bank's own reason (decline_code) is not:
            # it may say that the card was reported stolen.
            return PaymentDeclinedError(error.user_message or "The card was declined.", details=_details(error))
        case stripe.IdempotencyError():
            return PaymentConflictError("This idempotency key was used for something else.", details=_details(error))
        case stripe.AuthenticationError() | stripe.PermissionError():
            return PaymentAccessError(SERVICE, "Does not accept this service's key.", details=_details(error))
        case stripe.InvalidRequestError():
            return PaymentRefusedError("The payment service refused this.", details=_details(error))
        case _ if (error.http_status or 0) >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return PaymentBrokenError(SERVICE, "Failed.", details=_details(error))
        case _:
            return PaymentUnavailableError(SERVICE, "Could not do this now.", details=_details(error))


def _details(error: stripe.StripeError) -> dict[str, object]:
    """Return the facts that find the case in Stripe's own log, and that programs tell cases apart by."""
    facts = {
        "code": error.code,
        "param": getattr(error, "param", None),
        "stripe_request_id": error.request_id,
    }
    return {name: value for name, value in facts.items() if isinstance(value, str)}
