"""The route that Stripe calls."""

from http import HTTPStatus
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Request

from app.api.dependencies import UnitOfWork
from app.api.openapi import problems
from app.core import payment
from app.models.schemas.webhook import WebhookReceipt
from app.services import webhooks

router = APIRouter(tags=["webhooks"])

_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"type": "object", "description": "An event.", "examples": [{"object": "event"}]}
            }
        },
    }
}


async def get_signed_event(
    request: Request,
    signature: Annotated[
        str | None,
        Header(alias="Stripe-Signature", description="Of the body, as Stripe makes it.", examples=["t=0,v1=0"]),
    ] = None,
) -> payment.WebhookEvent:
    """The event of this request. Its signature is checked before anything else is done, on the bytes as they came."""
    return payment.construct_event(await request.body(), signature)


# The order matters: dependencies are resolved one by one, and who has no right signature gets no connection.
SignedEvent = Annotated[payment.WebhookEvent, Depends(get_signed_event)]


@router.post(
    "/webhooks/stripe", responses=problems(HTTPStatus.FORBIDDEN, HTTPStatus.SERVICE_UNAVAILABLE), openapi_extra=_BODY
)
async def receive_event(event: SignedEvent, uow: UnitOfWork) -> WebhookReceipt:
    """Take in an event, once however often it is delivered; any other answer than 200 has it delivered again."""
    return WebhookReceipt(outcome=await webhooks.receive_event(uow, event))
