"""A Stripe of our own: the calls this application makes, in the shapes of Stripe's API reference, on a real socket.

It checks what it is asked against the parameter types of Stripe's own library, keeps answers by idempotency key as
Stripe does (API reference, "Idempotent requests"), and refuses, fails, hangs or loses answers as told.
"""

import asyncio
import importlib
import itertools
import json
import re
import time
import typing
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

from pydantic import ConfigDict, TypeAdapter, ValidationError
from stripe import RequestOptions
from typing_extensions import is_typeddict

from tests.servers.http import Answer, FaultyServer, Received, faulty_server, reply

KEY = "sk_test_of_the_tests"
Json = dict[str, Any]

# Module and name of the library's parameters for each call.
_PARAMETERS = {
    "/v1/payment_intents": ("stripe.params._payment_intent_create_params", "PaymentIntentCreateParams"),
    "/v1/customers": ("stripe.params._customer_create_params", "CustomerCreateParams"),
    "/v1/refunds": ("stripe.params._refund_create_params", "RefundCreateParams"),
    "/v1/checkout/sessions": ("stripe.params.checkout._session_create_params", "SessionCreateParams"),
}
# What Stripe does not require of the types but of requests (API reference, each call's parameters).
_REQUIRED = {
    "/v1/payment_intents": {"amount", "currency"},
    "/v1/customers": set[str](),
    "/v1/refunds": {"payment_intent"},
    "/v1/checkout/sessions": {"mode", "line_items", "success_url"},
}
# The only headers that say something about us.
_EXPECTED_HEADERS = {
    "accept", "accept-encoding", "authorization", "connection", "content-length", "content-type", "host",
    "idempotency-key", "stripe-version", "user-agent",
}  # fmt: skip


class Refusal(Exception):
    """An error object."""

    def __init__(self, status: int, kind: str, code: str | None = None, **facts: str) -> None:
        super().__init__(code or kind)
        self.status = status
        error = {"type": kind, "code": code, "message": f"Planted: {code or kind}.", **facts}
        self.body: Json = {"error": {name: value for name, value in error.items() if value is not None}}


@dataclass
class StripeServer:
    """The objects that there are at Stripe, and the faults to come.

    Attributes:
        faults: What the next requests meet on the way there: an answer instead of Stripe's, or None.
        lost: How many of the next answers are lost on the way back.
        refusals: What the next calls are refused with, once Stripe has them; kept for their keys.
        refund_status: What refunds are made as.
        effects: What was done, once each.
        mistakes: What no client of Stripe's should do.
    """

    faults: deque[Answer | None] = field(default_factory=deque)
    lost: list[Answer] = field(default_factory=list)
    refusals: deque[Refusal] = field(default_factory=deque)
    refund_status: str = "succeeded"
    objects: dict[str, Json] = field(default_factory=dict)
    effects: list[str] = field(default_factory=list)
    mistakes: list[str] = field(default_factory=list)
    _kept: dict[str, tuple[object, int, Json]] = field(default_factory=dict)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _http: FaultyServer | None = None

    @property
    def http(self) -> FaultyServer:
        assert self._http is not None
        return self._http

    @property
    def keys(self) -> list[str | None]:
        """The idempotency key of each request, in their order."""
        return [each.headers.get("idempotency-key") for each in self.http.requests]

    async def answer(self, writer: asyncio.StreamWriter) -> None:
        request = self.http.requests[-1]
        fault = self.faults.popleft() if self.faults else None
        if fault is not None:
            await fault(writer)
            return
        status, body, headers = self._handle(request)
        lost = self.lost.pop(0) if self.lost else None
        answer = lost or reply(status, json.dumps(body).encode(), Content_Type="application/json", **headers)
        await answer(writer)

    def pay(self, session_id: str, **changes: Any) -> Json:
        """A customer pays on a checkout page. Returns the page."""
        session = self.objects[session_id]
        intent = self._new("pi", amount=session["amount_total"], currency=session["currency"], paid=True, refunded=0)
        paid = {"status": "complete", "payment_status": "paid", "payment_intent": intent["id"], "url": None}
        session.update(paid | changes)
        return session

    def _handle(self, request: Received) -> tuple[int, Json, dict[str, str]]:
        headers = {"Request_Id": f"req_{next(self._numbers)}"}
        if extra := request.headers.keys() - _EXPECTED_HEADERS:
            self.mistakes.append(f"headers {sorted(extra)}")
        if request.headers.get("authorization") != f"Bearer {KEY}":
            return 401, Refusal(401, "invalid_request_error").body, headers
        try:
            if request.method == "POST":
                return *self._write(request), headers
            return 200, self._read(request), headers
        except Refusal as refusal:
            return refusal.status, refusal.body, headers

    def _write(self, request: Received) -> tuple[int, Json]:
        key = request.headers.get("idempotency-key")
        if not key:
            self.mistakes.append("no idempotency key")
            raise Refusal(400, "invalid_request_error", "no_key")
        asked = (request.target, request.body)
        if key in self._kept:
            first, status, body = self._kept[key]
            if first != asked:
                raise Refusal(400, "idempotency_error")
            return status, body
        # What fails before the call itself begins is not kept.
        params = self._checked(request.target, decode(request.body.decode()))
        try:
            if self.refusals:
                raise self.refusals.popleft()
            status, body = 200, _CALLS[request.target](self, params)
        except Refusal as refusal:
            status, body = refusal.status, refusal.body
        if status not in {409, 429}:
            self._kept[key] = (asked, status, body)
        return status, body

    def _checked(self, target: str, raw: Json) -> Json:
        if target not in _PARAMETERS:
            raise Refusal(404, "invalid_request_error")
        missing = _REQUIRED[target] - raw.keys()
        unknown = raw.keys() & RequestOptions.__annotations__.keys()
        try:
            params: Json = parameters(*_PARAMETERS[target]).validate_python(raw)
        except ValidationError as error:
            unknown |= {str(each["loc"]) for each in error.errors()}
        if missing or unknown:
            self.mistakes.append(f"{target}: missing {sorted(missing)}, unknown or wrong {sorted(unknown)}")
            raise Refusal(400, "invalid_request_error", "parameter_unknown", param=next(iter(missing | unknown)))
        return params

    def _read(self, request: Received) -> Json:
        if request.target == "/v1/balance":
            return {"object": "balance", "livemode": False, "available": [], "pending": []}
        found = re.fullmatch(r"/v1/checkout/sessions/(\w+)", request.target)
        if not found or found[1] not in self.objects:
            raise Refusal(404, "invalid_request_error", "resource_missing", param="id")
        return self.objects[found[1]]

    def _new(self, prefix: str, **content: Any) -> Json:
        made = {"id": f"{prefix}_{next(self._numbers)}", "created": int(time.time()), "livemode": False, **content}
        self.objects[made["id"]] = made
        self.effects.append(made["id"])
        return made

    def create_payment_intent(self, params: Json) -> Json:
        return self._new(
            "pi",
            object="payment_intent",
            amount=params["amount"],
            currency=params["currency"],
            customer=params.get("customer"),
            metadata=params.get("metadata", {}),
            status="requires_payment_method",
            client_secret="pi_secret_planted",
            # Of this server's own: as if it had been confirmed at once.
            paid=True,
            refunded=0,
        )

    def create_customer(self, params: Json) -> Json:
        return self._new("cus", object="customer", email=params.get("email"), name=params.get("name"), balance=0)

    def create_refund(self, params: Json) -> Json:
        intent = self.objects.get(params["payment_intent"])
        if intent is None:
            raise Refusal(404, "invalid_request_error", "resource_missing", param="payment_intent")
        left = intent["amount"] - intent["refunded"]
        amount = params.get("amount", left)
        if not left or amount > left:
            raise Refusal(400, "invalid_request_error", "charge_already_refunded")
        intent["refunded"] += amount
        return self._new(
            "re",
            object="refund",
            amount=amount,
            currency=intent["currency"],
            payment_intent=intent["id"],
            charge="ch_1",
            status=self.refund_status,
            metadata=params.get("metadata", {}),
        )

    def create_checkout_session(self, params: Json) -> Json:
        (line,) = params["line_items"]
        session = self._new(
            "cs_test",
            object="checkout.session",
            mode=params["mode"],
            status="open",
            payment_status="unpaid",
            amount_total=line["price_data"]["unit_amount"] * line["quantity"],
            currency=line["price_data"]["currency"],
            payment_intent=None,
            metadata=params.get("metadata", {}),
            success_url=params["success_url"],
            cancel_url=params.get("cancel_url"),
            expires_at=int(time.time()) + 86_400,
        )
        session["url"] = f"https://checkout.stripe.com/c/pay/{session['id']}"
        return session


_CALLS: Mapping[str, Callable[[StripeServer, Json], Json]] = {
    "/v1/payment_intents": StripeServer.create_payment_intent,
    "/v1/customers": StripeServer.create_customer,
    "/v1/refunds": StripeServer.create_refund,
    "/v1/checkout/sessions": StripeServer.create_checkout_session,
}


@asynccontextmanager
async def stripe_server() -> AsyncIterator[StripeServer]:
    """A Stripe for as long as the context lasts, which then has seen no mistakes."""
    stripe = StripeServer()
    async with faulty_server(stripe.answer) as stripe._http:
        yield stripe
    assert stripe.mistakes == []


@cache
def parameters(module: str, name: str) -> TypeAdapter[Json]:
    """The library's type of a call's parameters, which now refuses what it does not know."""
    found = vars(importlib.import_module(module))
    for kind in found.values():
        if is_typeddict(kind):
            kind.__pydantic_config__ = ConfigDict(extra="forbid", arbitrary_types_allowed=True)
    adapter: TypeAdapter[Json] = TypeAdapter(found[name])
    # Names that the library imports for type checkers alone; they are options of calls and no parameters.
    adapter.rebuild(_types_namespace={**vars(typing), **found, "StripeContext": str})
    return adapter


def decode(form: str) -> Json:
    """A form with `a[b][0][c]=d` in it as what it stands for."""
    root: Json = {}
    for name, value in parse_qsl(form, keep_blank_values=True, strict_parsing=bool(form)):
        place = root
        *path, last = re.findall(r"[^\[\]]+", name)
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    decoded: Json = _lists(root)
    return decoded


def _lists(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    if node and all(name.isdigit() for name in node):
        return [_lists(node[name]) for name in sorted(node, key=int)]
    return {name: _lists(value) for name, value in node.items()}
