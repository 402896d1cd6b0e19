"""Switched off, on, and on without a server: what the rest of the application gets."""

import asyncio
import ssl
import subprocess
import sys
from pathlib import Path

import pytest
import trustme
from pydantic import SecretStr

from app.core.config.redis import RedisSettings
from app.core.redis import open_redis
from app.core.redis.connection import RedisUnavailableError
from app.core.security import RateLimits
from tests.servers.redis import RedisServer
from tests.unit.core.redis.conftest import Connect

pytestmark = pytest.mark.anyio


async def test_switched_off_everything_is_as_without_it() -> None:
    tasks = asyncio.all_tasks()
    async with open_redis(RedisSettings(url=SecretStr("redis://nowhere.invalid")), name="tests") as shared:
        assert shared.cache_backend is None
        assert type(shared.rate_limits) is RateLimits
        assert list(shared.health_checks) == []
        assert asyncio.all_tasks() == tasks


async def test_nothing_is_connected_before_it_is_used_and_everything_closed_after(redis_server: RedisServer) -> None:
    def connections() -> int:
        return redis_server.ask("CLIENT", "LIST").count("addr=")

    before, tasks = connections(), asyncio.all_tasks()
    async with open_redis(redis_server.settings(), name="tests") as shared:
        (check,) = shared.health_checks
        backend = shared.cache_backend
        assert connections() == before
        assert backend is not None
        await backend.get("tests:a")
        await check.check()
        assert connections() > before
        assert not check.required
    await asyncio.sleep(0.05)
    assert connections() == before
    assert asyncio.all_tasks() == tasks


@pytest.mark.process
def test_the_client_is_not_imported_for_those_who_do_not_use_it() -> None:
    script = "import sys, app.core.redis; print([name for name in ('redis', 'hiredis') if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("trusted", ["yes", "no"])
async def test_with_tls_the_certificate_is_checked(trusted: str, tmp_path: Path, connect: Connect) -> None:
    ours, theirs = trustme.CA(), trustme.CA()
    (ours if trusted == "yes" else theirs).issue_cert("localhost").configure_cert(
        tls := ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    )
    ours.cert_pem.write_to_path(tmp_path / "ca.pem")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1000):
            writer.write(b"+PONG\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", ssl=tls) as listener:
        port = listener.sockets[0].getsockname()[1]
        url = f"rediss://localhost:{port}/0"
        connection = await connect(RedisServer(tmp_path), url=url, ca_file=tmp_path / "ca.pem", timeout_seconds=5)
        if trusted == "yes":
            await connection.ping()
        else:
            with pytest.raises(RedisUnavailableError, match="certificate is not trusted"):
                await connection.ping()
        await connection.close()
