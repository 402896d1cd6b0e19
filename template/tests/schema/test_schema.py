"""Requests made from the OpenAPI document, good ones and bad ones, get the answers that the document describes.

schemathesis makes them: from the examples, from every bound and rule, at random, and in chains in which one request
uses what another has made. Each answer must have a documented status, media type, headers and body, bad data must be
refused, what needs credentials must refuse to do without, and what was accepted can be read back.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from schemathesis import Case, CheckContext, Response, engine
from schemathesis.config import SchemathesisConfig
from schemathesis.core.result import Ok
from schemathesis.engine.events import EngineEvent, FatalError, NonFatalError, ScenarioFinished
from schemathesis.openapi import from_asgi
from schemathesis.python.asgi import shutdown_lifespans

from app.core.config import LoggingSettings
from app.core.config.logging import LogLevel
from app.main import create_app
from tests.applications import process_of_its_own
from tests.databases import DatabaseServer
from tests.documents import Document, Operation, operations, resolve
from tests.factories import make_settings
from tests.schema.callers import STAND_INS, Credentials, FreshCallers

pytestmark = pytest.mark.schema

# At random, in addition to what the document's bounds and examples suggest.
REQUESTS_PER_OPERATION = 30
# Of lists that are not asked for more.
LENGTH_OF_A_PAGE = 20


@pytest.fixture
def app(server: DatabaseServer, worker_id: str) -> Iterator[FreshCallers]:
    """The application on a database of its own. schemathesis starts it, in an event loop of its own, and calls it."""
    with server.clone(f"{worker_id}_schema") as url, process_of_its_own():
        yield FreshCallers(create_app(make_settings(database_url=url, logging=LoggingSettings(level=LogLevel.ERROR))))
        shutdown_lifespans()


def shown(operation: Operation, document: Document) -> tuple[str | None, bool]:
    """The schema that an operation's good answers show, and whether they show many."""
    answers = [answer for status, answer in operation.described["responses"].items() if status.startswith("2")]
    for schema in (answer.get("content", {}).get("application/json", {}).get("schema", {}) for answer in answers):
        page = resolve(schema, document)
        many = page.get("properties", {}).get("items", page)
        if "$ref" in many.get("items", {}):
            return many["items"]["$ref"], True
        if "$ref" in schema:
            return schema["$ref"], False
    return None, False


@schemathesis.check
def accepted_bodies_can_be_read_back(_: CheckContext, response: Response, case: Case[Any]) -> None:
    """Every route that returns what was made or changed shows it as the answer did."""
    document: dict[str, Any] = case.operation.schema.raw_schema
    asked = next((each for each in operations(document) if each[:2] == (case.method.lower(), case.path)), None)
    if asked is None or asked.body is None or not response.content or response.status_code >= 300:
        return
    reference, made = shown(asked, document)[0], response.json()
    # Resources made without credentials are not the caller's.
    if reference is None or "id" not in made or "security" not in asked.described:
        return
    sent = response.request.headers
    headers = {name: sent[name] for name, _ in STAND_INS.values() if name in sent}
    for each in operations(document):
        found, many = shown(each, document)
        if each.method != "get" or found != reference:
            continue
        keys = {parameter["name"]: made["id"] for parameter in each.parameters("path")}
        read = case.operation.schema[each.path]["GET"].Case(path_parameters=keys, headers=headers).call()
        assert read.status_code == 200, f"{each} answers {read.status_code} {read.text}"
        seen = read.json()
        members = seen if isinstance(seen, list) else seen.get("items", [seen])
        assert made in members or (many and len(members) == LENGTH_OF_A_PAGE), f"{each} shows {members}, not {made}"


def findings(event: EngineEvent) -> Iterator[str]:
    match event:
        case FatalError(exception=error) | NonFatalError(value=error):
            raise error
        case ScenarioFinished(recorder=recorder):
            for case, checks in recorder.checks.items():
                for check in checks:
                    if check.failure_info:
                        failure = check.failure_info.failure
                        answer = recorder.interactions[case].response
                        yield "\n".join(
                            [
                                f"{recorder.label}: {failure.title}",
                                failure.message,
                                f"{answer.status_code} {answer.text}" if answer else "no answer",
                                check.failure_info.code_sample,
                            ]
                        )


def called(event: EngineEvent) -> Iterator[str]:
    if isinstance(event, ScenarioFinished):
        for case in event.recorder.interactions:
            yield event.recorder.cases[case].value.operation.label


@pytest.mark.parametrize("credentials", STAND_INS)
def test_every_answer_is_as_documented(app: FreshCallers, credentials: Credentials) -> None:
    config = SchemathesisConfig.from_dict(
        {
            "cache": {"enabled": False},
            "headers": dict([STAND_INS[credentials]]),
            "generation": {
                # The same requests in every run: what fails is the change under test.
                "deterministic": True,
                "max-examples": REQUESTS_PER_OPERATION,
                "no-shrink": True,
                # A made-up key beside a good token would be taken for one that was accepted.
                "with-security-parameters": False,
            },
            # JSON Schema cannot tell every rule: no NUL in text, mail to domains that may exist, cursors of this API.
            "checks": {"positive_data_acceptance": {"enabled": False}},
        }
    )
    document = from_asgi("/openapi.json", app, config=config)

    events = list(engine.from_schema(document).execute())

    found = [finding for event in events for finding in findings(event)]
    assert not found, "\n\n".join(found)
    operations = {each.ok().label for each in document.get_all_operations() if isinstance(each, Ok)}
    assert operations == {label for event in events for label in called(event)}
