"""The floor of start.py: FastAPI on async SQLAlchemy, answering the same question.

`DATABASE_URL` names the database, with asyncpg as its driver.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

engine = create_async_engine(os.environ["DATABASE_URL"])
sessions = async_sessionmaker(engine, expire_on_commit=False)


class Ready(BaseModel):
    """The answer."""

    status: str


async def get_session() -> AsyncIterator[AsyncSession]:
    """Lend a session to a request."""
    async with sessions() as session:
        yield session


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Close the engine in the end."""
    yield
    await engine.dispose()


def create_app() -> FastAPI:
    """Make the application."""
    app = FastAPI(title="Plain", lifespan=lifespan)

    @app.get("/api/v1/health/ready")
    async def ready(session: Annotated[AsyncSession, Depends(get_session)]) -> Ready:
        """Answer when the database does."""
        await session.execute(text("SELECT 1"))
        return Ready(status="healthy")

    return app
