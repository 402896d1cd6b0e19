"""The way out: the application's own proxy and certificates, and nothing of the environment."""

import asyncio
import ssl
from pathlib import Path

import pytest
import trustme
from pydantic import SecretStr

from app.core.exceptions import ConfigurationError
from tests.logs import captured_log
from tests.servers.http import faulty_server, hang, reply
from tests.servers.sentry import SentryServer, sentry_server
from tests.unit.core.monitoring.sentry.monitors import monitoring

pytestmark = pytest.mark.anyio


async def test_a_proxy_is_used_when_it_is_set_and_only_then(monkeypatch: pytest.MonkeyPatch) -> None:
    async with sentry_server() as sentry, faulty_server(reply(200)) as proxy:
        monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
        monkeypatch.setenv("SENTRY_DSN", "http://other@127.0.0.1:9/1")
        async with monitoring(sentry.url) as monitor:
            monitor.capture_message("directly")
        assert sentry.event["message"] == "directly"

        async with monitoring("http://sentry.invalid", proxy_url=SecretStr(proxy.url)) as monitor:
            monitor.capture_message("by the proxy")
    assert proxy.requests[0].target == "http://sentry.invalid/api/42/envelope/"


async def test_an_authority_of_one_s_own_is_trusted_when_it_is_set(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with faulty_server(reply(200), tls=context) as http:
        with captured_log() as log:
            async with monitoring(http.url) as monitor:
                monitor.capture_message("to a stranger")
        assert log.line["reason"] == "network"
        assert http.requests == []

        async with monitoring(http.url, ca_file=tmp_path / "authority.pem") as monitor:
            monitor.capture_message("to a friend")
        assert SentryServer(http).event["message"] == "to a friend"


async def test_nothing_is_logged_after_the_end() -> None:
    with captured_log() as log:
        async with sentry_server(hang()) as sentry:
            async with monitoring(sentry.url, flush_seconds=0.1) as monitor:
                monitor.capture_message("into the void")
            assert len(sentry.http.requests) == 1
        # The connection has ended, which the thread that waits for the answer notices.
        await asyncio.sleep(0.2)
    assert log.lines == []


async def test_a_file_without_certificates_is_an_error_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").touch()
    with pytest.raises(ConfigurationError, match="cannot be used"):
        async with monitoring("https://127.0.0.1:9", ca_file=tmp_path / "empty.pem"):
            pass
