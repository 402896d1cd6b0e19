"""A file of settings: each value arrives as it is written, or is refused with its line. The example names them all."""

from pathlib import Path

import pytest

from app.core.config import ApplicationSettings
from app.core.config.loading import known_variables, load_settings
from tests.environments import problems
from tests.unit.core.config.conftest import KEY

PROJECT = Path(__file__).parents[4]
# Long enough for a key, and refused or read, never shown.
PLANTED = "Xq7planted-and-long-enough-for-a-key"


@pytest.mark.parametrize(
    ("written", "value"),
    [
        (f"SECRET_KEY={PLANTED}", PLANTED),
        (f"export SECRET_KEY = {PLANTED}  ", PLANTED),
        (f"SECRET_KEY='{PLANTED}' # 'why'", PLANTED),
        (f'\ufeffSECRET_KEY="{PLANTED}"\r', PLANTED),
        (f"SECRET_KEY=#{PLANTED}#'\"\\n$x", f"#{PLANTED}#'\"\\n$x"),
        (f"SECRET_KEY='{PLANTED} # ${{word}} $x \"'", f'{PLANTED} # ${{word}} $x "'),
        (f'SECRET_KEY="{PLANTED} # \'$x"', f"{PLANTED} # '$x"),
    ],
)
def test_a_value_of_the_file_arrives_as_it_is_written(
    written: str, value: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SECRET_KEY")
    (project / ".env").write_bytes(f"{written}\nAPI_PORT=9001\n".encode())

    settings = load_settings()

    assert (settings.auth.secret_key.get_secret_value(), settings.api.port) == (value, 9001)


@pytest.mark.parametrize(
    ("written", "rule"),
    [
        (f"SECRET_KEY={PLANTED}${{word}}", "has ${…} in .env:2, which other readers of the file replace; "),
        (f'SECRET_KEY="{PLANTED}${{word:-x}}"', "has ${…} in .env:2, which other readers of the file replace; "),
        (f"SECRET_KEY={PLANTED} #word", "is cut at the # in .env:2; put the value in single quotes"),
        (f"SECRET_KEY={PLANTED}\t# why", "is cut at the # in .env:2; put the value in single quotes"),
        (f'SECRET_KEY="{PLANTED}\\new"', "has a backslash or a quote in .env:2, of which quotes make"),
        (f"SECRET_KEY='{PLANTED}\\\\'", "has a backslash or a quote in .env:2, of which quotes make"),
        (f"SECRET_KEY='{PLANTED}", "begins with a quote in .env:2, that must be closed in the same line"),
        (f"SECRET_KEY=a\nSECRET_KEY={PLANTED}", "is set more than once, again in .env:3; keep one"),
    ],
)
def test_a_value_that_other_readers_would_change_is_refused_with_its_line(
    written: str, rule: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SECRET_KEY")
    (project / ".env").write_text(f"API_PORT=9001\n{written}\nAPI_WORKERS=0\n")

    found = problems()

    assert found["SECRET_KEY"].startswith(rule)
    assert found.keys() == {"SECRET_KEY", "API_WORKERS"}
    assert "planted" not in str(found)


def test_a_line_of_the_file_that_is_no_assignment_is_a_problem(project: Path) -> None:
    (project / ".env").write_text(
        "API_PORT=9001\n\nDATABASE URL=Xq7\n# why\nAPI_WORKERS\nSECRETS_KEYS='a\nXq7planted==\n'\n"
    )

    found = problems()

    assert found[".env:3"] == "cannot be understood; write NAME=value"
    assert found.keys() == {".env:3", ".env:5", "SECRETS_KEYS", ".env:7", ".env:8"}


@pytest.mark.parametrize(("content", "cause"), [(b"A=\xff\xfe\n", "it is not in UTF-8"), (None, "Is a directory")])
def test_a_file_that_cannot_be_read_is_named_with_the_cause(content: bytes | None, cause: str, project: Path) -> None:
    if content is None:
        (project / ".env").mkdir()
    else:
        (project / ".env").write_bytes(content)

    assert problems()[".env"].startswith(f"cannot be read ({cause}); ")


def assignments(text: str) -> dict[str, str]:
    """Return what a file of settings sets, or would set without the `#` in front."""
    found = {}
    for line in text.splitlines():
        name, equals, value = line.removeprefix("# ").partition("=")
        if equals and name.replace("_", "").isupper():
            assert name not in found
            found[name] = value
    return found


def test_env_example_names_every_setting_with_its_default() -> None:
    shown = assignments((PROJECT / ".env.example").read_text())

    differing = shown.keys() ^ known_variables()
    assert not differing, f"document it at the end of .env.example: {sorted(differing)}"
    for section in ApplicationSettings.sections().values():
        for name, variable in section.variables().items():
            default = section.model_fields[name].default
            if isinstance(default, str | int | float | bool):
                assert shown[variable] == (str(default).lower() if isinstance(default, bool) else str(default))


def test_env_example_copied_as_it_is_asks_for_a_key_alone(project: Path) -> None:
    (project / ".env").write_text((PROJECT / ".env.example").read_text())

    assert load_settings().auth.secret_key.get_secret_value() == KEY
