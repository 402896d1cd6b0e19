"""Keeps one PostgreSQL server for as long as any process uses it. A script.

It is the server's parent, so it knows when the server ends, and it waits for the exclusive lock on
a file that every user of the server holds a shared lock on. The kernel releases those locks however
a user ends, so the lock is granted exactly when none is left: then the server is stopped. It
imports nothing of the application, because it outlives the process that started it, and little of
the standard library (no pathlib, no subprocess), because every command waits for its start.
"""

import ctypes
import fcntl
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from typing import NoReturn

LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
PR_SET_PDEATHSIG = 1  # linux/prctl.h
PR_SET_CHILD_SUBREAPER = 36
# Fast shutdown, immediate shutdown, the end; seconds each is given before the next.
STOP_SIGNALS = ((signal.SIGINT, 15.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
READY_STEP = 0.005  # seconds between two looks at postmaster.pid
READY_LINE = 7  # the line of postmaster.pid that holds the status (PostgreSQL 10 and later)


def become(command: list[str], uid: int, gid: int, parent: int) -> NoReturn:
    """Turn this process into a program that runs as `uid` and is interrupted when `parent` ends."""
    try:
        if uid >= 0:
            os.setgroups([])
            os.setgid(gid)
            os.setuid(uid)
        os.umask(0o077)
        for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and exec keeps that
            signal.signal(number, signal.SIG_DFL)
        if LIBC:
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGINT, 0, 0, 0)  # after setuid, which clears it
            if os.getppid() != parent:
                os._exit(1)  # too late: the parent ended before
        os.execve(command[0], command, os.environ)
    except OSError as err:
        os.write(2, f"{command[0]} cannot be executed: {err.strerror}\n".encode())
    finally:
        os._exit(1)


def stop_when_unused(clients_lock: str, pid: int, ended: threading.Event) -> None:
    """Wait until no client holds the lock, then stop the server, more firmly each time. The lock is kept to the end."""
    descriptor = os.open(clients_lock, os.O_RDWR | os.O_CLOEXEC)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    for number, patience in STOP_SIGNALS:
        if ended.is_set():
            return
        with suppress(ProcessLookupError):
            os.kill(pid, number)
        if ended.wait(patience):
            return


def wait_until_ready(pid: int, postmaster_file: str) -> bool:
    """Wait until the server accepts connections; return False when it ended instead."""
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        with suppress(OSError), open(postmaster_file, encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
            # The file of a crashed server may still be there: only our child's PID counts.
            if lines[:1] == [str(pid)] and lines[READY_LINE:] and lines[READY_LINE].strip() == "ready":
                return True
        time.sleep(READY_STEP)
    return False


def announce(state_file: str, *lines: object) -> None:
    """Write the state file in one step, so that no reader sees half of it."""
    with open(f"{state_file}.new", "w", encoding="utf-8") as file:
        file.write("".join(f"{line}\n" for line in lines))
    os.replace(f"{state_file}.new", state_file)


def end_orphans() -> None:
    """End and reap the backends that a killed postmaster left behind (Linux): they hold the data folder."""
    with suppress(ChildProcessError):
        while True:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                for name in filter(str.isdigit, os.listdir("/proc")):
                    with suppress(OSError), open(f"/proc/{name}/stat", encoding="utf-8") as file:
                        if int(file.read().rpartition(")")[2].split()[1]) == os.getpid():
                            os.kill(int(name), signal.SIGKILL)
                time.sleep(READY_STEP)


def remove_folder(folder: str) -> None:
    """Remove the socket folder with what a killed server left in it."""
    with suppress(FileNotFoundError):
        for name in os.listdir(folder):
            os.unlink(os.path.join(folder, name))
        os.rmdir(folder)


def keep(arguments: list[str]) -> None:
    """Run the server that the arguments describe until it ends (see `server.py`)."""
    if os.fork():
        os._exit(0)  # the client waits for this one, and is the parent of nothing that outlives it
    lock, clients_lock, postmaster_file, state_file, socket_folder, uid, gid, *command = arguments
    fcntl.fcntl(int(lock), fcntl.F_SETFD, fcntl.FD_CLOEXEC)  # ours to the end, not the server's
    announce(state_file, socket_folder)  # first, so that it is found and removed if we are killed
    os.mkdir(socket_folder, 0o700)
    if int(uid) >= 0:
        os.chown(socket_folder, int(uid), int(gid))

    keeper = os.getpid()
    if LIBC:
        # Backends whose postmaster was killed become children of this process, which ends them.
        LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    pid = os.fork()
    if not pid:
        become(command, int(uid), int(gid), keeper)
    ended = threading.Event()
    threading.Thread(target=stop_when_unused, args=(clients_lock, pid, ended), daemon=True).start()
    try:
        if wait_until_ready(pid, postmaster_file):
            announce(state_file, socket_folder, pid, keeper)
            os.waitpid(pid, 0)
    except OSError as err:  # the disk is full
        os.write(2, f"{state_file} cannot be written: {err.strerror}\n".encode())
        os.kill(pid, signal.SIGQUIT)
        os.waitpid(pid, 0)
    ended.set()
    end_orphans()
    remove_folder(socket_folder)
    with suppress(FileNotFoundError):
        os.unlink(state_file)
    os._exit(0)  # one thread may be waiting for the lock for ever


if __name__ == "__main__":
    task, *rest = sys.argv[1:]
    if task == "become":
        become(rest[3:], uid=int(rest[0]), gid=int(rest[1]), parent=int(rest[2]))
    keep(rest)
