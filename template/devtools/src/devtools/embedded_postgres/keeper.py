"""Keeps one PostgreSQL server for as long as any process uses it. A script.

It is the server's parent, so it knows when the server ends, and it waits for the exclusive lock on a file that every
user of the server holds a shared lock on. The kernel releases those locks however a user ends, so the lock is granted
exactly when none is left: then the server is stopped. It imports nothing of the application, because it outlives the
process that started it, and little of the standard library, because every command waits for its start.
"""

import ctypes
import fcntl
import os
import signal
import sys
import threading
from contextlib import suppress
from typing import NoReturn

PR_SET_PDEATHSIG = 1  # linux/prctl.h
# Fast shutdown, then an immediate one; a second apart, since the first may come before the server listens to it.
STOP_SIGNALS = (signal.SIGINT,) * 15 + (signal.SIGQUIT,) * 5


def become(command: list[str], uid: int, gid: int, parent: int) -> NoReturn:
    """Turn this process into the server, run as `uid`, which is stopped when `parent` ends (on Linux)."""
    try:
        if uid != os.geteuid():
            os.setgroups([])
            os.setgid(gid)
            os.setuid(uid)
        os.umask(0o077)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and exec keeps that
            signal.signal(number, signal.SIG_DFL)
        if sys.platform == "linux":
            # After setuid, which clears it.
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)  # too late: the parent ended before
        os.execve(command[0], command, os.environ)
    except OSError as err:
        os.write(2, f"{command[0]} cannot be executed: {err.strerror}\n".encode())
    finally:
        os._exit(1)


def stop_when_unused(clients_lock: str, pid: int, ended: threading.Event) -> None:
    """Wait until no client holds the lock, then stop the server. The lock is kept to the end."""
    descriptor = os.open(clients_lock, os.O_RDWR | os.O_CLOEXEC)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    for number in STOP_SIGNALS:
        if ended.is_set():
            return
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        ended.wait(1)


def keep(arguments: list[str]) -> None:
    """Run the server that the arguments describe until it ends (see `server.py`)."""
    clients_lock, socket_folder, uid, gid, *command = arguments
    if os.fork():
        os._exit(0)  # the client is the parent of nothing that outlives it
    keeper = os.getpid()
    pid = os.fork()
    if not pid:
        become(command, int(uid), int(gid), keeper)
    ended = threading.Event()
    threading.Thread(target=stop_when_unused, args=(clients_lock, pid, ended), daemon=True).start()
    os.waitpid(pid, 0)
    ended.set()
    with suppress(FileNotFoundError):
        for name in os.listdir(socket_folder):  # a killed server leaves them
            os.unlink(os.path.join(socket_folder, name))
        os.rmdir(socket_folder)
    os._exit(0)  # one thread may be waiting for the lock for ever


if __name__ == "__main__":
    keep(sys.argv[1:])
