"""Orders, and paying for them."""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Path, Query, Response

from app.api.dependencies import CallerWith, ReadSession, UnitOfWork
from app.api.openapi import LOCATION, problems
from app.core.security import Principal
from app.models.schemas.order import CheckoutRead, IdempotencyKey, OrderCreate, OrderQuery, OrderRead
from app.models.schemas.types import Page
from app.services import checkout, orders, refunds

router = APIRouter(prefix="/api/v1/orders", tags=["orders"])

Reader = Annotated[Principal, Depends(CallerWith("orders:read"))]
Writer = Annotated[Principal, Depends(CallerWith("orders:write"))]
OrderId = Annotated[UUID, Path(description="The order's key.")]
# What a call to Stripe can come to.
_OF_PAYMENTS = problems(
    HTTPStatus.NOT_FOUND,
    HTTPStatus.CONFLICT,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)


@router.post(
    "",
    responses={
        **problems(HTTPStatus.CONFLICT),
        HTTPStatus.OK.value: {"description": "It was made before, under the same key."},
        HTTPStatus.CREATED.value: {"model": OrderRead, "description": "It is new.", "headers": LOCATION},
    },
)
async def create_order(
    new: OrderCreate,
    key: Annotated[
        IdempotencyKey,
        Header(
            alias="Idempotency-Key",
            description="A text of your choice, such as a random UUID: repeated with the same one, there is one order.",
            examples=["6c1f4a52-1d0b-4a5e-9b1e-3f6a2d9c8e70"],
        ),
    ],
    caller: Writer,
    uow: UnitOfWork,
    response: Response,
) -> OrderRead:
    """Make an order; 409 when the key was used for another one."""
    order, created = await orders.create_order(uow, caller.user_id, new, idempotency_key=key)
    if created:
        response.status_code = HTTPStatus.CREATED
        response.headers["Location"] = f"orders/{order.id}"
    return orders.shown(order)


@router.get("")
async def list_orders(which: Annotated[OrderQuery, Query()], caller: Reader, session: ReadSession) -> Page[OrderRead]:
    """Orders page by page, the newest first."""
    return await orders.list_orders(session, caller.user_id, which)


@router.get("/{order_id}", responses=problems(HTTPStatus.NOT_FOUND))
async def get_order(order_id: OrderId, caller: Reader, session: ReadSession) -> OrderRead:
    """One order."""
    return await orders.get_order(session, caller.user_id, order_id)


# No unit of work: these open their own, before and after they call Stripe.
@router.post("/{order_id}/checkout", responses=_OF_PAYMENTS)
async def start_checkout(order_id: OrderId, caller: Writer) -> CheckoutRead:
    """Get the page to pay on, the same one until it expires; 409 when there is nothing to pay."""
    return await checkout.start_checkout(caller.user_id, order_id)


@router.post("/{order_id}/refund", responses=_OF_PAYMENTS)
async def refund_order(order_id: OrderId, caller: Writer) -> OrderRead:
    """Give the money back, once however often this is repeated; 409 when the order is not paid."""
    return orders.shown(await refunds.refund_order(caller.user_id, order_id))
