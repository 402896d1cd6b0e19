"""check_timescale: extension, hypertables and the last runs of policies."""

from collections.abc import Callable

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from app.core.database import Database, get_database
from app.core.exceptions import ConfigurationError
from app.core.timescale import check_timescale, timescale_checks
from tests.hypertables import enabled, pretended_extension, set_up

pytestmark = pytest.mark.anyio


def test_timescale_checks_has_one_where_it_is_enabled() -> None:
    (check,) = timescale_checks(enabled())

    assert (check.name, check.required) == ("timescaledb", False)
    assert timescale_checks(enabled(enabled=False)) == []


async def test_check_timescale_passes_when_all_is_set_up(
    either_url: str, open_database: Callable[..., Database]
) -> None:
    await set_up(either_url, enabled())
    open_database(url=SecretStr(either_url))

    await check_timescale()


async def test_check_timescale_fails_for_a_table_that_is_still_plain(
    stand_in_url: str, open_database: Callable[..., Database]
) -> None:
    open_database(url=SecretStr(stand_in_url))

    with pytest.raises(ConfigurationError, match="still plain: measurements") as caught:
        await check_timescale()
    assert caught.value.next_step == "Run `app db upgrade`."


async def test_check_timescale_fails_for_an_extension_that_is_not_created(
    stand_in_url: str, open_database: Callable[..., Database]
) -> None:
    open_database(url=SecretStr(stand_in_url))

    with (
        pretended_extension(created=None),
        pytest.raises(ConfigurationError, match="This database has no TimescaleDB"),
    ):
        await check_timescale()


async def test_check_timescale_fails_for_a_policy_whose_last_run_failed(
    stand_in_url: str, open_database: Callable[..., Database]
) -> None:
    await set_up(stand_in_url, enabled())
    open_database(url=SecretStr(stand_in_url))
    async with get_database().writing.engine.begin() as connection:
        await connection.execute(
            text(
                "INSERT INTO timescaledb_information.job_stats "
                "SELECT job_id, 'Failed' FROM timescaledb_information.jobs"
            )
        )

    with pytest.raises(ConfigurationError, match="last run of policy_compression on measurements failed"):
        await check_timescale()
