"""The time that accounts take tells nothing: neither of registering nor of asking for a mail."""

import random
import time
from collections.abc import Iterator
from statistics import quantiles

import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.security import PasswordHasher
from app.models.schemas.user import UserCreate
from app.services.users import create_user
from tests.clients import make_client
from tests.factories import PASSWORD
from tests.logins import AUTH, unused_email, with_authentication

pytestmark = [pytest.mark.anyio, pytest.mark.process]

TRIES = 200
# The caller's, and this process's work alone: on a busy machine, waiting hides the time of a hash.
CLOCKS = (time.perf_counter, time.process_time)
# Of the time that a tenth of the tries took at most, which a busy machine changes little. A hash takes half of it; a
# row, which is not written for a known address, some 2 %: less than a network adds by chance.
LIMIT = 0.25


@pytest.fixture(autouse=True)
def passwords(app: FastAPI) -> Iterator[None]:
    """Hashing that takes as long as the rest of a request: tests' own is too cheap to be missed."""
    with with_authentication(passwords=PasswordHasher(time_cost=1, memory_kib=2048, concurrency=1)):
        yield


@pytest.mark.parametrize("path", ["register", "verify/resend", "reset", "login"])
async def test_time_tells_no_known_address_from_an_unknown_one(
    path: str, app: FastAPI, transaction: AsyncConnection
) -> None:
    async with make_client(app) as warm:
        await warm.post(f"{AUTH}/{path}", json={"email": unused_email(), "password": "warming up, twice"})
    # What tells, tells each time; a busy machine hardly does so three times.
    tells = [await tell(path, app)]
    while tells[-1] > LIMIT and len(tells) < 3:
        tells.append(await tell(path, app))
    assert min(tells) <= LIMIT


async def tell(path: str, app: FastAPI) -> float:
    """Return by how much the times differ, on the clock on which they differ the more; the answers are the same."""
    addresses = [(unused_email(), number % 2 == 0) for number in range(TRIES)]
    for address in (address for address, known in addresses if known):
        await create_user(UserCreate(email=address, password=SecretStr(PASSWORD)))
    random.shuffle(addresses)
    times: dict[bool, list[tuple[float, ...]]] = {True: [], False: []}
    answers = set()
    for address, known in addresses:
        # A wrong password, or a registration's.
        password = {"password": "some other horse battery"} if path in {"register", "login"} else {}
        async with make_client(app) as client:
            begun = [clock() for clock in CLOCKS]
            answer = await client.post(f"{AUTH}/{path}", json={"email": address, **password})
            times[known].append(tuple(clock() - start for clock, start in zip(CLOCKS, begun, strict=True)))
        answers.add((answer.status_code, str({**answer.json(), "request_id": ""})))
    assert len(answers) == 1
    tenths: dict[bool, list[float]] = {
        way: [quantiles(each, n=10)[0] for each in zip(*times[way], strict=True)] for way in times
    }
    return max(abs(known / unknown - 1) for known, unknown in zip(tenths[True], tenths[False], strict=True))
