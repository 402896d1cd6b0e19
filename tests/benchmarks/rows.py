"""The cost of an authenticated get, list and create, against FastAPI on asyncpg, and on the ORM.

Run it with a rendered project's Python, in the project's folder, with this repository on
PYTHONPATH. One process serves the project and both floors (floors.py), on the same database; a
client in another process asks them in turn, so that whatever disturbs the machine disturbs all of
them. The project has everything on: its access log goes to a file.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

os.environ.update(LOG_FORMAT="json", LOG_LEVEL="INFO")

from app import asgi
from app.cli import migrations
from app.cli.settings import command_settings, with_database
from app.core.config import ApplicationSettings
from app.core.database import Statement, get_database
from app.core.uow import unit_of_work
from app.main import create_app
from app.services.authentication import get_authentication
from fastapi import FastAPI
from sqlalchemy import text

from tests.benchmarks.floors import orm_app, raw_app, token_of
from tests.benchmarks.keep_alive import NUMBER, Order
from tests.benchmarks.layers import Step
from tests.benchmarks.serving import client, new_loop, served

ROUNDS = 24
REQUESTS = 192
CLIENTS = (1, 32)
# CPU of the project's share of the floor on asyncpg, at 1 and 32 clients (SPEC, section 9).
LIMITS = {"get": (0.8, 0.7), "list": (1.15, 1.1), "create": (1.5, 1.2)}
LATENCY = 1.5

ITEMS = 1_000
_SEED = Statement(
    text(
        "INSERT INTO items (id, owner_id, sku, name, description, tags, metadata) SELECT "
        "gen_random_uuid(), u.id, 'seed-' || n, 'Garden chair ' || n, 'Folds flat.', "
        "ARRAY['garden', 'wood'], '{\"color\": \"green\", \"legs\": 4}' FROM users AS u, "
        "generate_series(1, CAST(:number AS int)) AS n WHERE u.id = :owner_id RETURNING id"
    ),
    object,
)
_USER = Statement(
    text(
        "INSERT INTO users (id, email, password_hash) VALUES "
        "(gen_random_uuid(), gen_random_uuid() || '@example.com', '') RETURNING id"
    ),
    object,
)
BODY = json.dumps(
    {
        "sku": f"made-{uuid4().hex[:8]}-{NUMBER}",
        "name": "Garden chair",
        "description": "Folds flat.",
        "tags": ["garden", "wood"],
        "metadata": {"color": "green", "legs": 4},
    }
)


@dataclass
class Contender:
    """An application that is measured, and what each of its requests has cost.

    Attributes:
        step: How it is served.
        prefix: Where its items are.
        authorization: Whose they are.
        costs: Microseconds of CPU by what was asked and the number of clients, a figure a round.
        slowest: Milliseconds within which 99 of 100 answers came, likewise.
    """

    step: Step
    prefix: str
    authorization: str
    costs: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    slowest: dict[tuple[str, int], list[float]] = field(default_factory=dict)


def orders_of(contender: Contender, item_id: object) -> dict[str, Order]:
    """Return what is asked of a contender."""
    common = Order(port=contender.step.port, requests=REQUESTS)
    common["authorization"] = f"Bearer {contender.authorization}"
    return {
        "get": {**common, "path": f"{contender.prefix}/{item_id}"},
        "list": {**common, "path": contender.prefix},
        "create": {**common, "path": contender.prefix, "method": "POST", "body": BODY},
    }


async def measure(contenders: Sequence[Contender], item_id: object) -> None:
    """Fill in the costs, in rounds: each contender has its turn with each question."""
    async with served([each.step for each in contenders]), client() as order:
        for turn in range(ROUNDS + 1):
            for each in contenders if turn % 2 else list(reversed(contenders)):
                for asked, wanted in orders_of(each, item_id).items():
                    for number in CLIENTS:
                        began = time.process_time()
                        slowest = await order({**wanted, "clients": number})
                        spent = time.process_time() - began
                        # The first round connects, compiles and fills caches.
                        if turn:
                            key = asked, number
                            each.costs.setdefault(key, []).append(spent / REQUESTS * 1e6)
                            each.slowest.setdefault(key, []).append(slowest)


def shares(each: Contender, floor: Contender, key: tuple[str, int]) -> list[float]:
    """Return what a contender's request costs of the floor's, round by round."""
    return [a / b for a, b in zip(each.costs[key], floor.costs[key], strict=True)]


def report(raw: Contender, orm: Contender, project: Contender) -> Iterator[str]:
    """Say what each request costs, as the table of docs/benchmarks.md has it."""
    yield "| CPU of a request | clients | on asyncpg | on the ORM | project | at most |"
    yield "|---|---|---|---|---|---|"
    for asked, limits in LIMITS.items():
        for number, limit in zip(CLIENTS, limits, strict=True):
            key = asked, number
            floor = f"{statistics.median(raw.costs[key]):.0f} µs"
            cells = [_cell(shares(each, raw, key)) for each in (orm, project)]
            yield f"| {asked} | {number} | {floor} | {cells[0]} | **{cells[1]}** | {limit} |"
    yield ""
    for asked in LIMITS:
        key = asked, max(CLIENTS)
        pairs = zip(project.slowest[key], raw.slowest[key], strict=True)
        yield f"99th percentile, {asked}, 32 clients: {_cell([a / b for a, b in pairs])}"


def _cell(values: Sequence[float]) -> str:
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:.2f} ({low:.2f}–{high:.2f})"


def exceeded(raw: Contender, project: Contender) -> list[str]:
    """Return the figures that are beyond their limits."""
    return [
        f"{asked}, {number} clients"
        for asked, limits in LIMITS.items()
        for number, limit in zip(CLIENTS, limits, strict=True)
        if statistics.median(shares(project, raw, (asked, number))) > limit
    ]


async def run(project: FastAPI, settings: ApplicationSettings) -> int:
    """Measure and report; 1 when a limit is exceeded, else 0."""
    address = settings.database.address.url
    size = settings.database.pool_size
    bare = address.set(drivername="postgresql").render_as_string(hide_password=False)
    raw = raw_app(bare, connections=size)
    orm = orm_app(address.render_as_string(hide_password=False), connections=size)
    async with contextlib.AsyncExitStack() as stack:
        for app in (raw, orm, project):
            await stack.enter_async_context(app.router.lifespan_context(app))
        async with unit_of_work() as uow:
            user_id = await uow.session.one(_USER)
            items = await uow.session.all(_SEED, owner_id=user_id, number=ITEMS)
        async with get_database().writing.engine.connect() as connection:
            autocommit = await connection.execution_options(isolation_level="AUTOCOMMIT")
            await autocommit.execute(text("VACUUM ANALYZE users, items"))
        token = get_authentication().tokens.issue(
            user_id=user_id, session_id=user_id, scopes=["items:read", "items:write"]
        )
        contenders = [
            Contender(Step("on asyncpg", raw, None), "/items", token_of(user_id)),
            Contender(Step("on the ORM", orm, None), "/items", token_of(user_id)),
            Contender(Step("project", project, None), "/api/v1/items", token),
        ]
        await measure(contenders, items[0])
    print(*report(*contenders), sep="\n")
    beyond = exceeded(contenders[0], contenders[2])
    print(f"\nbeyond the limit: {'; '.join(beyond) or 'nothing'}")
    return int(bool(beyond))


def main() -> int:
    """Bring up the project's own database, and measure."""
    with with_database(command_settings()) as settings, tempfile.TemporaryFile("w") as log:
        migrations.upgrade(settings)
        with contextlib.redirect_stdout(log):
            project = create_app(settings)
        # As in each process of `app serve`.
        gc.freeze()
        gc.set_threshold(asgi.GC_THRESHOLD)
        with asyncio.Runner(loop_factory=new_loop) as runner:
            return runner.run(run(project, settings))


if __name__ == "__main__":
    raise SystemExit(main())
