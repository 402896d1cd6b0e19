"""Production's connections to other machines are encrypted, or it is written out that they are not."""

from pathlib import Path

import pytest

from app.core.config import load_settings
from tests.environments import problems, production

ELSEWHERE = "postgresql://u:Xq7planted@db.example.org/app"
ENCRYPTED = f"{ELSEWHERE}?sslmode=require"


@pytest.mark.parametrize(
    "variables",
    [
        {"DATABASE_URL": ELSEWHERE},
        {"DATABASE_URL": f"{ELSEWHERE}?sslmode=prefer"},
        {"DATABASE_URL": "postgresql://u@10.0.0.7/app"},
        {"DATABASE_URL": "postgresql://u@[2001:db8::1]/app"},
        {"DATABASE_URL": "postgresql://u@/app?host=db"},
        {"DATABASE_URL": "", "POSTGRES_HOST": "postgres"},
        {"DATABASE_URL": ELSEWHERE, "DATABASE_SSL_MODE": "prefer"},
        {"DATABASE_URL": ENCRYPTED, "MIGRATION_DATABASE_URL": ELSEWHERE},
        {"DATABASE_URL": "postgresql://u@localhost/app", "MIGRATION_DATABASE_URL": ELSEWHERE},
    ],
)
def test_production_refuses_a_database_elsewhere_without_encryption(
    variables: dict[str, str], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    production(monkeypatch, **variables)

    assert problems().keys() == {"DATABASE_SSL_MODE"}


@pytest.mark.parametrize(
    ("variables", "remarked"),
    [
        ({"DATABASE_URL": ENCRYPTED}, set()),
        ({"DATABASE_URL": ELSEWHERE, "DATABASE_SSL_MODE": "verify-full"}, set()),
        ({"DATABASE_URL": "postgresql://u@localhost/app"}, set()),
        ({"DATABASE_URL": "postgresql://u@127.0.0.1/app?sslmode=disable"}, set()),
        ({"DATABASE_URL": "postgresql://u@[::1]/app"}, set()),
        ({"DATABASE_URL": "postgresql://u@/app?host=/run/postgresql"}, set()),
        ({"DATABASE_URL": f"{ELSEWHERE}?sslmode=disable"}, {"DATABASE_SSL_MODE"}),
        ({"DATABASE_URL": ELSEWHERE, "DATABASE_SSL_MODE": "disable"}, {"DATABASE_SSL_MODE"}),
        ({"DATABASE_URL": "", "POSTGRES_HOST": "db", "DATABASE_SSL_MODE": "disable"}, {"DATABASE_SSL_MODE"}),
    ],
)
def test_production_takes_encryption_this_machine_and_what_is_written_out(
    variables: dict[str, str], remarked: set[str], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    production(monkeypatch, **variables)

    assert {remark.variable for remark in load_settings().remarks()} == remarked


def test_other_stages_take_any_connection(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    production(monkeypatch, ENVIRONMENT="staging", DATABASE_URL=ELSEWHERE)

    assert not list(load_settings().remarks())
