"""A developer's edits of a rendered project, and the next version of the template meanwhile.

Each edit is one that people make, in the places where they make it. An edit that finds its place
gone fails at once: a line that users edit has moved.
"""

from __future__ import annotations

import re
from pathlib import Path

# Where both have changed the same lines: a default, in the code and where it is documented.
SETTING = "src/app/core/config/process.py"
CONFLICTS = (".env.example", SETTING)
_DOCUMENTED = "# JOBS_CONCURRENCY={}\n"

_EXAMPLE = re.compile(r"^# (\S+\.py)\n(.*?)(?=^# \S+\.py\n|\Z)", re.DOTALL | re.MULTILINE)


def replace(project: Path, path: str, old: str, new: str) -> None:
    """Replace the one occurrence of `old` in a file."""
    file = project / path
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {path}"
    file.write_text(text.replace(old, new), encoding="utf-8")


def add_a_resource(project: Path) -> None:
    """Follow CONTRIBUTING.md: notes, through every layer, wired and tested."""
    guide = (project / "CONTRIBUTING.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", guide, re.DOTALL | re.MULTILINE)
    for path, source in (found for block in blocks for found in _EXAMPLE.findall(block)):
        if "note" in path:
            (project / path).write_text(f'"""Notes."""\n\n{source}', encoding="utf-8")
    wiring = "src/app/wiring.py"
    for above, mine in (
        ("    health.router,\n", "    notes.router,\n"),
        ('    "users:read",\n', '    "notes:read",\n    "notes:write",\n'),
        ("", "        events.subscribe(NoteChanged, notes_service.forget_count)\n"),
    ):
        indent = mine[: len(mine) - len(mine.lstrip())]
        place = f"{above}{indent}# Yours below this line.\n"
        below = "" if above else "        events.start()\n"
        replace(project, wiring, place + below, place + mine + below)
    replace(
        project,
        wiring,
        "\nTITLE: Final",
        "from app.api.routes import notes\n"
        "from app.models.events.note import NoteChanged\n"
        "from app.services import notes as notes_service\n"
        "\nTITLE: Final",
    )


def change_a_setting(project: Path) -> None:
    """Give a setting another default, in the code and where it is documented."""
    field = "default_ttl_seconds: float = Field(default="
    replace(project, "src/app/core/config/process.py", f"{field}300", f"{field}600")
    old, new = (f"# CACHE_DEFAULT_TTL_SECONDS={seconds}\n" for seconds in (300, 600))
    replace(project, ".env.example", old, new)


def remove_a_route(project: Path) -> None:
    """Take the overview for people out, and with it its tests."""
    routes = project / "src/app/api/routes/health.py"
    text = routes.read_text(encoding="utf-8")
    kept = text.partition('\n\n@router.get("/")\n')[0] + "\n"
    assert kept != text
    routes.write_text(kept.replace("Liveness, Overview, Readiness", "Liveness, Readiness"))
    (project / "tests/integration/api/test_health.py").unlink()


def rename_a_module(project: Path) -> None:
    """Call the module with the limits otherwise, everywhere."""
    (project / "src/app/services/limits.py").rename(project / "src/app/services/limiters.py")
    for file in [*project.glob("src/**/*.py"), *project.glob("tests/**/*.py")]:
        text = file.read_text(encoding="utf-8")
        if "services.limits" in text:
            file.write_text(text.replace("services.limits", "services.limiters"), encoding="utf-8")


def change_delivery(project: Path) -> None:
    """Have CI do something more, and compose run something more."""
    workflow = project / ".github/workflows/ci.yml"
    with workflow.open("a", encoding="utf-8") as file:
        file.write("          curl --fail http://127.0.0.1:8000/openapi.json\n")
    replace(
        project,
        "compose.yaml",
        "  # Yours below this line.\n\nvolumes:\n",
        "  # Yours below this line.\n  mail:\n    image: axllent/mailpit:v1.27\n"
        "    restart: unless-stopped\n\nvolumes:\n",
    )


def change_what_the_template_changes(project: Path) -> None:
    """Set another bound; the next version of the template does, too."""
    replace(project, SETTING, "default=10,", "default=4,")
    replace(project, ".env.example", _DOCUMENTED.format(10), _DOCUMENTED.format(4))


EDITS = (
    add_a_resource,
    change_a_setting,
    remove_a_route,
    rename_a_module,
    change_delivery,
    change_what_the_template_changes,
)


def next_version(template: Path) -> None:
    """Do what the template's authors did meanwhile, in a repository of theirs."""
    source = template / "template"
    replace(source, SETTING, "default=10,", "default=20,")
    replace(source, ".env.example.jinja", _DOCUMENTED.format(10), _DOCUMENTED.format(20))
    # Imports a module that the user calls otherwise by now.
    passwords = "src/app/core/security/passwords.py"
    replace(source, passwords, '"""Passwords: Argon2id', '"""What guards passwords: Argon2id')
    replace(source, "src/app/main.py", "and back. The unit", "and home. The unit")
    replace(source, "src/app/wiring.py.jinja", '"""The composition', '"""This is the composition')
    replace(source, "README.md.jinja", "## Settings", "## Its settings")
    limit = "import contracts\n    runs-on: ubuntu-24.04\n    timeout-minutes: "
    replace(source, ".github/workflows/ci.yml", f"{limit}10", f"{limit}12")
    replace(source, "pyproject.toml.jinja", '"rich>=15.0"', '"rich>=15.0.0"')
    clock = source / "src/app/core/clock.py"
    clock.write_text(
        '"""What time it is."""\n\nfrom datetime import UTC, datetime\n\n\n'
        'def now() -> datetime:\n    """This moment, in UTC."""\n    return datetime.now(tz=UTC)\n'
    )
    (source / "tests/unit/core/test_clock.py").write_text(
        '"""`now()`."""\n\nfrom app.core.clock import now\n\n\n'
        "def test_time_has_a_zone() -> None:\n    assert now().tzinfo is not None\n"
    )
