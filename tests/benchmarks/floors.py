"""The floors of rows.py: small applications that read and write the project's items, and no more.

Both check a token, read the caller's row as most applications do, and have
neither middleware nor a log. One stands on the driver alone, the other on SQLAlchemy's ORM.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar
from uuid import UUID, uuid4

import asyncpg
import jwt
from fastapi import Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ARRAY, DateTime, Text, func, select
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

GET = (
    "SELECT id, sku, name, description, tags, metadata, version, created_at, updated_at "
    "FROM items WHERE id = $1 AND owner_id = $2"
)
LIST = (
    "SELECT id, sku, name, description, tags, metadata, version, created_at, updated_at "
    "FROM items WHERE owner_id = $1 ORDER BY id DESC LIMIT 21"
)
CREATE = (
    "INSERT INTO items (id, owner_id, sku, name, description, tags, metadata) "
    "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING RETURNING "
    "id, sku, name, description, tags, metadata, version, created_at, updated_at"
)
PAGE = 20
SECRET = "k3y-of-the-floors-7f1c9a20d4b86e35a1"  # noqa: S105


class New(BaseModel):
    """A new item."""

    sku: str = Field(max_length=64)
    name: str = Field(max_length=200)
    description: str | None = None
    tags: list[str] = []
    metadata: dict[str, Any] = {}


class Item(BaseModel):
    """An item as it is."""

    model_config = ConfigDict(from_attributes=True, populate_by_name=True)

    id: UUID
    sku: str
    name: str
    description: str | None
    tags: list[str]
    metadata: dict[str, Any] = Field(validation_alias="attributes")
    version: int
    created_at: datetime
    updated_at: datetime


class Page(BaseModel):
    """A page of items."""

    items: list[Item]
    next_cursor: str | None


def caller_of(request: Request) -> UUID:
    """Return the caller that a request's token names."""
    token = request.headers["Authorization"].removeprefix("Bearer ")
    return UUID(jwt.decode(token, SECRET, algorithms=["HS256"])["sub"])


def token_of(user_id: UUID) -> str:
    """Return a token that names a user."""
    claims = {"sub": str(user_id), "exp": datetime.now(UTC) + timedelta(hours=1)}
    return str(jwt.encode(claims, SECRET, algorithm="HS256"))


async def connect(request: Request) -> AsyncIterator[Any]:
    """Lend a connection to a request."""
    async with request.app.state.pool.acquire() as connection:
        yield connection


RawConnection = Annotated[Any, Depends(connect)]


async def identify(request: Request, connection: RawConnection) -> UUID:
    """Return the caller, who must be active."""
    caller = caller_of(request)
    query = "SELECT id, email, role, is_active FROM users WHERE id = $1"
    user = await connection.fetchrow(query, caller)
    if user is None or not user["is_active"]:
        raise HTTPException(401)
    return caller


RawCaller = Annotated[UUID, Depends(identify)]


async def get_item(item_id: UUID, caller: RawCaller, connection: RawConnection) -> Item:
    """Return an item."""
    row = await connection.fetchrow(GET, item_id, caller)
    if row is None:
        raise HTTPException(404)
    return Item(**dict(row))


async def list_items(caller: RawCaller, connection: RawConnection) -> Page:
    """Return the newest items."""
    rows = await connection.fetch(LIST, caller)
    items = [Item(**dict(row)) for row in rows[:PAGE]]
    return Page(items=items, next_cursor=str(items[-1].id) if len(rows) > PAGE else None)


async def create_item(new: New, caller: RawCaller, connection: RawConnection) -> Item:
    """Create an item."""
    values = (new.sku, new.name, new.description, new.tags, new.metadata)
    row = await connection.fetchrow(CREATE, uuid4(), caller, *values)
    if row is None:
        raise HTTPException(409)
    return Item(**dict(row))


def raw_app(url: str, *, connections: int) -> FastAPI:
    """Return the floor on asyncpg alone."""

    async def prepare(connection: Any) -> None:
        options = {"encoder": json.dumps, "decoder": json.loads, "schema": "pg_catalog"}
        await connection.set_type_codec("jsonb", **options)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        sizes = {"min_size": connections, "max_size": connections}
        async with asyncpg.create_pool(url, **sizes, init=prepare) as app.state.pool:
            yield

    app = FastAPI(lifespan=lifespan)
    app.get("/items/{item_id}")(get_item)
    app.get("/items")(list_items)
    app.post("/items", status_code=201)(create_item)
    return app


class Base(DeclarativeBase):
    """The tables of the floor."""

    type_annotation_map: ClassVar = {datetime: DateTime(timezone=True)}


class UserRow(Base):
    """A user."""

    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[str]
    role: Mapped[str]
    is_active: Mapped[bool]


class ItemRow(Base):
    """An item."""

    __tablename__ = "items"

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    owner_id: Mapped[UUID]
    sku: Mapped[str]
    name: Mapped[str]
    description: Mapped[str | None]
    tags: Mapped[list[str]] = mapped_column(ARRAY(Text))
    attributes: Mapped[dict[str, Any]] = mapped_column("metadata", JSONB)
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())


async def open_session(request: Request) -> AsyncIterator[AsyncSession]:
    """Lend a session to a request."""
    async with request.app.state.sessions() as session:
        yield session


Session = Annotated[AsyncSession, Depends(open_session)]


async def identify_by_orm(request: Request, session: Session) -> UUID:
    """Return the caller, who must be active."""
    user = await session.get(UserRow, caller_of(request))
    if user is None or not user.is_active:
        raise HTTPException(401)
    found: UUID = user.id
    return found


OrmCaller = Annotated[UUID, Depends(identify_by_orm)]


async def get_entity(item_id: UUID, caller: OrmCaller, session: Session) -> ItemRow:
    """Return an item."""
    statement = select(ItemRow).where(ItemRow.id == item_id, ItemRow.owner_id == caller)
    item: ItemRow | None = (await session.scalars(statement)).one_or_none()
    if item is None:
        raise HTTPException(404)
    return item


async def list_entities(caller: OrmCaller, session: Session) -> dict[str, Any]:
    """Return the newest items."""
    statement = select(ItemRow).where(ItemRow.owner_id == caller).order_by(ItemRow.id.desc())
    rows = (await session.scalars(statement.limit(PAGE + 1))).all()
    page = rows[:PAGE]
    return {"items": page, "next_cursor": str(page[-1].id) if len(rows) > PAGE else None}


async def create_entity(new: New, caller: OrmCaller, session: Session) -> ItemRow:
    """Create an item."""
    values = new.model_dump()
    item = ItemRow(owner_id=caller, attributes=values.pop("metadata"), **values)
    session.add(item)
    await session.commit()
    return item


def orm_app(url: str, *, connections: int) -> FastAPI:
    """Return the floor on SQLAlchemy's ORM."""
    engine = create_async_engine(url, pool_size=connections, max_overflow=0)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        await engine.dispose()

    app = FastAPI(lifespan=lifespan)
    app.state.sessions = async_sessionmaker(engine, expire_on_commit=False)
    app.get("/items/{item_id}", response_model=Item)(get_entity)
    app.get("/items", response_model=Page)(list_entities)
    app.post("/items", status_code=201, response_model=Item)(create_entity)
    return app
