"""Items: the example that shows every layer, from here to the database and back."""

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Response

from app.api.dependencies import CallerWith, ReadSession, UnitOfWork
from app.api.openapi import LOCATION, problems
from app.core.security import Principal
from app.models.schemas.item import ItemContent, ItemCreate, ItemQuery, ItemRead, ItemUpdate, Sku
from app.models.schemas.types import Page
from app.services import items

router = APIRouter(prefix="/api/v1/items", tags=["items"])

Reader = Annotated[Principal, Depends(CallerWith("items:read"))]
Writer = Annotated[Principal, Depends(CallerWith("items:write"))]
ItemId = Annotated[UUID, Path(description="The item's key.")]


@router.post(
    "",
    status_code=HTTPStatus.CREATED,
    responses={**problems(HTTPStatus.CONFLICT), HTTPStatus.CREATED.value: {"headers": LOCATION}},
)
async def create_item(new: ItemCreate, caller: Writer, uow: UnitOfWork, response: Response) -> ItemRead:
    """Create an item; 409 when its SKU is taken."""
    item = await items.create_item(uow, caller.user_id, new)
    response.headers["Location"] = f"items/{item.id}"
    return item


@router.get("")
async def list_items(which: Annotated[ItemQuery, Query()], caller: Reader, session: ReadSession) -> Page[ItemRead]:
    """List items page by page: the best matches of a search first, else the newest."""
    return await items.list_items(session, caller.user_id, which)


@router.get("/{item_id}", responses=problems(HTTPStatus.NOT_FOUND))
async def get_item(item_id: ItemId, caller: Reader, session: ReadSession) -> ItemRead:
    """Return one item."""
    return await items.get_item(session, caller.user_id, item_id)


@router.patch("/{item_id}", responses=problems(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT))
async def change_item(item_id: ItemId, change: ItemUpdate, caller: Writer, uow: UnitOfWork) -> ItemRead:
    """Change some of an item's values; 409 when it has changed since `version`."""
    return await items.change_item(uow, caller.user_id, item_id, change)


@router.put(
    "/by-sku/{sku}",
    responses={HTTPStatus.CREATED.value: {"model": ItemRead, "description": "The item is new.", "headers": LOCATION}},
)
async def put_item(
    sku: Annotated[Sku, Path()], content: ItemContent, caller: Writer, uow: UnitOfWork, response: Response
) -> ItemRead:
    """Create or replace the item of this SKU, in one statement and safe to repeat."""
    item, created = await items.put_item(uow, caller.user_id, sku, content)
    if created:
        response.status_code = HTTPStatus.CREATED
        response.headers["Location"] = f"../{item.id}"
    return item


@router.delete("/{item_id}", status_code=HTTPStatus.NO_CONTENT, responses=problems(HTTPStatus.NOT_FOUND))
async def delete_item(item_id: ItemId, caller: Writer, uow: UnitOfWork) -> None:
    """Delete an item."""
    await items.delete_item(uow, caller.user_id, item_id)
