"""Requests made from the OpenAPI document, good ones and bad ones, get the answers that the document describes.

schemathesis makes them: from the examples, from every bound and rule, at random, and in chains in which one request
uses what another has made. Each answer must have a documented status, media type, headers and body, bad data must be
refused, and what needs credentials must refuse to do without.
"""

from collections.abc import Iterator

import pytest
from schemathesis import engine
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
from tests.factories import make_settings
from tests.schema.callers import STAND_INS, Credentials, FreshCallers

pytestmark = pytest.mark.schema

# At random, in addition to what the document's bounds and examples suggest.
REQUESTS_PER_OPERATION = 30


@pytest.fixture
def app(server: DatabaseServer, worker_id: str) -> Iterator[FreshCallers]:
    """The application on a database of its own. schemathesis starts it, in an event loop of its own, and calls it."""
    with server.clone(f"{worker_id}_schema") as url, process_of_its_own():
        yield FreshCallers(create_app(make_settings(database_url=url, logging=LoggingSettings(level=LogLevel.ERROR))))
        shutdown_lifespans()


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
