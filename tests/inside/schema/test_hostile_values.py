"""Requests with hostile values in each place: no failure of the service, and what is accepted can be read back."""

import itertools
import json
from collections.abc import AsyncIterator, Mapping
from ipaddress import IPv4Address
from types import MappingProxyType
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient, Response
from sqlalchemy.ext.asyncio import AsyncConnection

from tests.clients import make_client
from tests.documents import Operation, example, example_body, operations, resolve
from tests.factories import PASSWORD, make_user
from tests.logs import captured_log
from tests.schema.hostile import Place, get_at, hostile, places, put_at, same

pytestmark = [pytest.mark.anyio, pytest.mark.schema]

_numbers = itertools.count()


class Caller:
    """Makes good requests from the document, with something hostile in a place.

    Each request comes from another address, so that limits on registrations and guesses are never met.
    """

    def __init__(self, app: FastAPI, client: AsyncClient, email: str) -> None:
        self.document = app.openapi()
        assert isinstance(client._transport, ASGITransport)
        self.client, self.transport = client, client._transport
        self.email = email

    async def body(self, operation: Operation) -> Any:
        """A good body; it logs this user in, and registers another one."""
        schema = operation.body
        if schema is None:
            return None
        made = await example_body(self.client, schema, self.document)
        if isinstance(made, dict) and "email" in made:
            made["email"] = self.email if operation.path.endswith("login") else f"{uuid4().hex}@example.com"
        if isinstance(made, dict):
            made |= dict.fromkeys(made.keys() & {"password", "current_password"}, PASSWORD)
            made |= {"scopes": ["users:read"]} if "scopes" in made else {}
        # Optional values that the example leaves out are sent, too.
        parts = resolve(schema, self.document).get("properties", {})
        return {**{name: example(part, self.document) for name, part in parts.items()}, **made}

    async def path(self, operation: Operation) -> str:
        """The path, with keys of what was made for it."""
        path = operation.path
        for parameter in operation.parameters("path"):
            collection, _, _ = path.partition("/{")
            makers = [each for each in operations(self.document) if str(each) == f"post {collection}"]
            value = example(parameter["schema"], self.document)
            if makers:
                made = await self.send(makers[0], makers[0].path, body=await self.body(makers[0]))
                assert made.is_success, f"POST {collection} answered {made.status_code} to its example: {made.text}"
                value = made.json()["id"]
            path = path.replace("{" + parameter["name"] + "}", value)
        return path

    async def send(
        self, operation: Operation, path: str, *, body: Any = None, given: Mapping[str, str] = MappingProxyType({})
    ) -> Response:
        """Send it, in JSON that spells everything that is not ASCII as an escape, with these values of parameters."""
        headers = [(b"Content-Type", b"application/json")]
        query = []
        for parameter in operation.described.get("parameters", ()):
            name, where = parameter["name"], parameter["in"]
            good = uuid4().hex if where == "header" else str(example(parameter["schema"], self.document))
            value = given.get(name, good).encode("utf-8", "surrogatepass")
            if where == "header":
                headers.append((name.encode(), value))
            elif where == "query" and (name in given or parameter["required"]):
                query.append(f"{name}={quote(value)}")
            elif where == "path" and name in given:
                path = operation.path.replace("{" + name + "}", quote(value, safe=""))
        content = None if body is None else json.dumps(body).encode()
        self.transport.client = (str(IPv4Address("10.64.0.0") + next(_numbers)), 1)
        url = f"{path}?{'&'.join(query)}"
        return await self.client.request(operation.method.upper(), url, content=content, headers=headers)


@pytest.fixture
async def caller(app: FastAPI, transaction: AsyncConnection) -> AsyncIterator[Caller]:
    user, tokens = await make_user()
    async with make_client(app, tokens) as client:
        yield Caller(app, client, user.email)


def failed(operation: Operation, answer: Response) -> bool:
    """Return True if the service failed, and not as the route documents, as one that calls another service may."""
    return answer.status_code >= 500 and str(answer.status_code) not in operation.described["responses"]


async def read_back(
    caller: Caller, made: Response, path: str, *, place: Place, value: Any, schema: dict[str, Any]
) -> AsyncIterator[str]:
    """Yield the faults in how the answer, the resource and its list show the accepted value."""
    if not (answer := made.json() if made.content else None) or "id" not in answer:
        return
    collection = path.partition("/" + answer["id"])[0].removesuffix("/by-sku/" + str(answer.get("sku")))
    for where in (None, f"{collection}/{answer['id']}", collection):
        read = made if where is None else await caller.client.get(where)
        if read.status_code in {404, 405}:
            continue
        shown = read.json() if read.status_code == 200 or where is None else None
        members = shown if isinstance(shown, list) else (shown or {}).get("items", [shown])
        mine = [each for each in members if each and each["id"] == answer["id"]]
        if not mine or (place[0] in mine[0] and not same(value, get_at(mine[0], place), schema)):
            yield f"{where} shows {read.status_code} {read.text[:200]}"


async def test_every_value_of_every_body(caller: Caller, transaction: AsyncConnection) -> None:
    wrong, accepted = [], set()
    for operation in operations(caller.document):
        if operation.body is None:
            continue
        made = await transaction.begin_nested()
        good = await caller.body(operation)
        await made.rollback()
        for place, schema in places(operation.body, good, caller.document):
            for value in hostile(schema, get_at(good, place)):
                what = f"{operation} {place} {ascii(value)[:60]}"
                savepoint = await transaction.begin_nested()
                with captured_log() as log:
                    path = await caller.path(operation)
                    body = put_at(await caller.body(operation), place, value)
                    answer = await caller.send(operation, path, body=body)
                    if answer.is_success:
                        accepted.add(f"{operation} {place}")
                        faults = read_back(caller, answer, path, place=place, value=value, schema=schema)
                        wrong += [f"{what}: {each}" async for each in faults]
                unforeseen = answer.status_code < 500 and bool(log.events("error"))
                wrong += [f"{what}: {answer.status_code}"] * (failed(operation, answer) or unforeseen)
                answer.content.decode()
                await savepoint.rollback()

    assert not wrong, "\n".join(wrong)
    assert len(accepted) > 3, accepted


async def test_every_value_of_every_path_query_and_header(caller: Caller, transaction: AsyncConnection) -> None:
    wrong = []
    for operation in operations(caller.document):
        made = await transaction.begin_nested()
        path, body = await caller.path(operation), await caller.body(operation)
        for parameter in operation.described.get("parameters", ()):
            name, schema = parameter["name"], resolve(parameter["schema"], caller.document)
            schema = resolve(schema.get("items", schema), caller.document)
            for value in hostile(schema, example(schema, caller.document)):
                text = value if isinstance(value, str) else json.dumps(value)
                if len(text) > 100_000:
                    text = text[:60_000]  # No server takes more than 64 KiB of these.
                savepoint = await transaction.begin_nested()
                answer = await caller.send(operation, path, body=body, given={name: text})
                wrong += [f"{operation} {name} {ascii(text)[:60]}: {answer.status_code}"] * failed(operation, answer)
                await savepoint.rollback()
        await made.rollback()

    assert not wrong, "\n".join(wrong)
