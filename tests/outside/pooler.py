"""A real PgBouncer in transaction mode, in front of a database of this folder's server."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

PROGRAM = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
SERVER_CONNECTIONS = 3

INI = """
[databases]
* = host={host} port={port} user=postgres

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {size}
max_client_conn = 200
server_login_retry = 0
{more}
"""


@contextmanager
def pooler(server_url: str, folder: Path, port: int, more: str = "") -> Iterator[str]:
    """Run a pooler in front of every database of a server.

    Args:
        server_url: Where a database of the server is, by its socket.
        folder: An empty folder for its settings and its log.
        port: Where to listen.
        more: Further lines of its settings.

    Yields:
        The address for the same database through the pooler.
    """
    assert PROGRAM is not None
    parts = urlsplit(server_url)
    where = parse_qs(parts.query)
    settings = folder / "pgbouncer.ini"
    settings.write_text(
        INI.format(
            host=where["host"][0],
            port=where.get("port", ["5432"])[0],
            listen=port,
            size=SERVER_CONNECTIONS,
            more=more,
        )
    )
    # The pooler refuses to run as root, and reads its settings as the user that it runs as.
    for each in (settings, *settings.parents):
        if each.stat().st_uid == os.geteuid() and each != Path("/"):
            each.chmod(each.stat().st_mode | (0o644 if each.is_file() else 0o755))
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        [PROGRAM, str(settings)],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        cwd="/",
        user="nobody" if os.geteuid() == 0 else None,
    )
    try:
        _wait_until_it_listens(process, port, folder / "log")
        yield f"postgresql://postgres@127.0.0.1:{port}{parts.path}"
    finally:
        process.kill()
        process.wait()
        log.close()


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    give_up = time.monotonic() + 30
    while time.monotonic() < give_up and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5):
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError(f"the pooler does not listen:\n{log.read_text()}")
