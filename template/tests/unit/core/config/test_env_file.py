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
    "written",
    [
        f"SECRET_KEY={PLANTED}${{word}}",
        f'SECRET_KEY="{PLANTED}${{word:-x}}"',
        f"SECRET_KEY={PLANTED} #word",
        f"SECRET_KEY={PLANTED}\t# why",
        f'SECRET_KEY="{PLANTED}\\new"',
        f"SECRET_KEY='{PLANTED}\\\\'",
        f"SECRET_KEY= # {PLANTED}",
    ],
)
def test_a_value_that_other_readers_would_change_is_refused_with_its_line(
    written: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SECRET_KEY")
    (project / ".env").write_text(f"API_PORT=9001\n{written}\nAPI_WORKERS=0\n")

    found = problems()

    assert found["SECRET_KEY"].startswith("is read as something else than is written in .env:2; put it into single")
    assert found.keys() == {"SECRET_KEY", "API_WORKERS"}
    assert "planted" not in str(found)


def test_a_line_of_the_file_that_is_no_assignment_is_a_problem(project: Path) -> None:
    """Below it, a name that is not known may be a part of a secret, and is not shown."""
    (project / ".env").write_text(
        "API_PORT=9001\n\nDATABASE URL=Xq7\n# why\nAPI_WORKERS\nSECRETS_KEYS='a\nXq7planted==\n"
    )

    found = problems()

    assert found[".env:3"] == "cannot be understood; write NAME=value, and close quotes"
    assert found.keys() == {".env:3", ".env:5", ".env:6", ".env:7"}


def test_a_file_that_is_not_in_utf_8_is_refused(project: Path) -> None:
    (project / ".env").write_bytes(b"API_ROOT_PATH=/\xff\n")

    assert problems().keys() == {"API_ROOT_PATH"}


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
