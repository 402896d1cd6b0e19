"""A file of settings: each value arrives as it is written, or is refused with its line."""

from pathlib import Path

import pytest

from app.core.config import load_settings
from tests.environments import problems

# Long enough for a key, and refused or read, never shown.
PLANTED = "Xq7planted-and-long-enough-for-a-key"


def key(project: Path, monkeypatch: pytest.MonkeyPatch, written: str) -> str:
    """Write the key into line 2 of `.env` and read it."""
    monkeypatch.delenv("SECRET_KEY", raising=False)
    (project / ".env").write_bytes(f"API_PORT=9001\n{written}\nAPI_WORKERS=3\n".encode())
    settings = load_settings()
    assert (settings.api.port, settings.api.workers) == (9001, 3)
    return settings.auth.secret_key.get_secret_value()


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (f"SECRET_KEY={PLANTED}", PLANTED),
        (f"export SECRET_KEY = {PLANTED}  ", PLANTED),
        (f"SECRET_KEY='{PLANTED}' # why", PLANTED),
        (f'SECRET_KEY="{PLANTED}"\r', PLANTED),
        (f"SECRET_KEY=#{PLANTED}#'\"\\n$x", f"#{PLANTED}#'\"\\n$x"),
        (f"SECRET_KEY='{PLANTED} # ${{word}} $x \"'", f'{PLANTED} # ${{word}} $x "'),
        (f'SECRET_KEY="{PLANTED} # \'$x \\d"', f"{PLANTED} # '$x \\d"),
    ],
)
def test_values_arrive_as_they_are_written(
    written: str, value: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert key(project, monkeypatch, written) == value


@pytest.mark.parametrize(
    ("written", "rule"),
    [
        (f"SECRET_KEY={PLANTED}${{word}}", "has ${…} in .env, line 2, which other readers of the file replace; "),
        (f'SECRET_KEY="{PLANTED}${{word:-x}}"', "has ${…} in .env, line 2, which other readers of the file replace; "),
        (f"SECRET_KEY={PLANTED} #word", "is cut at the # in .env, line 2; put the value in single quotes"),
        (f"SECRET_KEY={PLANTED}\t# why", "is cut at the # in .env, line 2; put the value in single quotes"),
        (f'SECRET_KEY="{PLANTED}\\new"', "has a backslash in .env, line 2, that quotes make another character of"),
        (f"SECRET_KEY='{PLANTED}\\\\'", "has a backslash in .env, line 2, that quotes make another character of"),
        (f"SECRET_KEY='{PLANTED}\nAPI_HOST=x\nLOG_LEVEL=INFO'", "begins with a quote in .env, line 2, that is closed"),
        (f"SECRET_KEY=a\nSECRET_KEY={PLANTED}", "is set more than once, in .env, lines 2, 3; keep one"),
    ],
)
def test_a_value_that_would_be_rewritten_is_refused_with_its_line(
    written: str, rule: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SECRET_KEY")
    (project / ".env").write_text(f"API_PORT=9001\n{written}\nAPI_WORKERS=0\n")

    found = problems()

    assert found["SECRET_KEY"].startswith(rule)
    assert found.keys() == {"SECRET_KEY", "API_WORKERS"}
    assert "planted" not in str(found)


@pytest.mark.parametrize(
    ("wrong", "mended"),
    [
        (f"{PLANTED}${{word}} #x", f"'{PLANTED}${{word}} #x'"),
        (f'"{PLANTED}\\t"', f"{PLANTED}\\t"),
        (f"'{PLANTED}\\\\'", f"{PLANTED}\\\\"),
    ],
)
def test_what_the_problem_advises_works(
    wrong: str, mended: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SECRET_KEY")
    (project / ".env").write_text(f"SECRET_KEY={wrong}\n")
    assert problems().keys() == {"SECRET_KEY"}

    assert key(project, monkeypatch, f"SECRET_KEY={mended}") == mended.strip("'\"")


def test_a_mark_of_the_byte_order_and_line_ends_of_windows_are_no_part_of_values(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SECRET_KEY")
    (project / ".env").write_bytes(f"\ufeffSECRET_KEY={PLANTED}\r\nAPI_PORT=9001\r\n".encode())

    settings = load_settings()

    assert (settings.auth.secret_key.get_secret_value(), settings.api.port) == (PLANTED, 9001)


def test_a_line_that_is_no_assignment_is_a_problem(project: Path) -> None:
    (project / ".env").write_text("API_PORT=9001\n\nDATABASE URL=Xq7planted\nAPI_WORKERS\nAPI_HOST='Xq7planted\n")

    assert problems() == {".env": "cannot be understood in line 3, 4, 5; write NAME=value"}


@pytest.mark.parametrize(
    ("content", "cause"),
    [(b"SECRET_KEY=\xff\xfe\n", "it is not in UTF-8"), (None, "Is a directory")],
    ids=["no text", "a folder"],
)
def test_a_file_that_cannot_be_read_is_named_with_the_cause(content: bytes | None, cause: str, project: Path) -> None:
    if content is None:
        (project / ".env").mkdir()
    else:
        (project / ".env").write_bytes(content)

    found = problems()

    assert found.keys() == {".env"}
    assert found[".env"].startswith(f"cannot be read ({cause}); ")
