"""Requests made from the OpenAPI document, good ones and bad ones, get the answers that the document describes.

schemathesis makes them: from the examples, from every bound and rule, at random, and in chains in which one request
uses what another has made. Each answer must have a documented status, media type, headers and body, bad data must be
refused, and what needs credentials must refuse to do without.
"""

import itertools
from collections.abc import Iterator
from ipaddress import IPv4Address
from typing import Final

import pytest
import schemathesis.engine
from fastapi import FastAPI
from pydantic import SecretStr
from schemathesis.config import SchemathesisConfig
from schemathesis.core.result import Ok
from schemathesis.engine.events import EngineEvent, FatalError, NonFatalError, ScenarioFinished
from schemathesis.openapi import from_asgi
from schemathesis.python.asgi import shutdown_lifespans
from starlette.types import Receive, Scope, Send

from app.core.config.process import LoggingSettings
from app.main import create_app
from app.models.schemas.auth import Login
from app.repositories.users import UserRow
from app.services.authentication import get_authentication
from tests.applications import process_of_its_own
from tests.databases import DatabaseServer
from tests.factories import PASSWORD, make_settings, make_user

pytestmark = pytest.mark.schema

# At random, in addition to what the document's bounds and examples suggest.
REQUESTS_PER_OPERATION = 30
# Stands for credentials in generated requests; other values are left as they are.
STAND_IN: Final = "Bearer stands-in-for-a-token"


class FreshCallers:
    """The application, called with credentials and from an address that no request before has used up.

    A request may log out, end the other sessions or meet a rate limit. All callers are one user, so that what one
    request makes, another can read.

    Args:
        app: The application.
    """

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self._addresses = (str(IPv4Address("10.0.0.1") + number) for number in itertools.count())
        self._user: UserRow | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            address = next(self._addresses)
            headers = dict(scope["headers"])
            if headers.get(b"authorization") == STAND_IN.encode():
                headers[b"authorization"] = f"Bearer {await self._token(address)}".encode()
            scope = {**scope, "client": (address, 1), "headers": list(headers.items())}
        await self.app(scope, receive, send)

    async def _token(self, address: str) -> str:
        if self._user is None:
            self._user, _ = await make_user()
        login = Login(email=self._user.email, password=SecretStr(PASSWORD))
        return (await get_authentication().log_in(login, address=address)).access_token


@pytest.fixture
def app(server: DatabaseServer, worker_id: str) -> Iterator[FreshCallers]:
    """The application on a database of its own. schemathesis starts it, in an event loop of its own, and calls it."""
    with server.clone(f"{worker_id}_schema") as url, process_of_its_own():
        yield FreshCallers(create_app(make_settings(database_url=url, logging=LoggingSettings(level="ERROR"))))
        shutdown_lifespans()


def findings(event: EngineEvent) -> Iterator[str]:
    match event:
        case FatalError(exception=error) | NonFatalError(value=error):
            raise error
        case ScenarioFinished(recorder=recorder):
            for case, check in ((case, check) for case, checks in recorder.checks.items() for check in checks):
                if check.failure_info:
                    failure, answer = check.failure_info.failure, recorder.interactions[case].response
                    said = f"{answer.status_code} {answer.text}" if answer else "no answer"
                    sample = check.failure_info.code_sample
                    yield "\n".join([f"{recorder.label}: {failure.title}", failure.message, said, sample])


def test_every_answer_is_as_documented(app: FreshCallers) -> None:
    config = SchemathesisConfig.from_dict(
        {
            "cache": {"enabled": False},
            "headers": {"Authorization": STAND_IN},
            "generation": {
                # The same requests in every run: what fails is the change under test.
                "deterministic": True,
                "max-examples": REQUESTS_PER_OPERATION,
                "no-shrink": True,
                # A made-up key beside a good token would be taken for one that was accepted.
                "with-security-parameters": False,
            },
            "checks": {
                # JSON Schema cannot tell every rule: no NUL in text, mail to domains that exist.
                "positive_data_acceptance": {"enabled": False},
                # A route may document that a service it calls fails; any other 5xx is an undocumented status.
                "not_a_server_error": {"enabled": False},
            },
        }
    )
    document = from_asgi("/openapi.json", app, config=config)

    events = list(schemathesis.engine.from_schema(document).execute())

    found = [finding for event in events for finding in findings(event)]
    assert not found, "\n\n".join(found)
    finished = [event.recorder for event in events if isinstance(event, ScenarioFinished)]
    called = {recorder.cases[case].value.operation.label for recorder in finished for case in recorder.interactions}
    assert called == {each.ok().label for each in document.get_all_operations() if isinstance(each, Ok)}
