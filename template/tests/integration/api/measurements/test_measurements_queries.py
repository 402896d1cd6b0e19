"""GET /api/v1/measurements: in buckets, in statistics, and the newest of each series."""

from datetime import timedelta
from typing import Any

import pytest
from httpx import AsyncClient

from tests.integration.api.measurements.conftest import MIDNIGHT, PATH, ingest, rows, span

pytestmark = pytest.mark.anyio


async def get(client: AsyncClient, path: str, **query: Any) -> Any:
    answer = await client.get(f"{PATH}/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def moment(hours: float) -> str:
    return (MIDNIGHT + timedelta(hours=hours)).isoformat().replace("+00:00", "Z")


async def test_get_buckets_sums_up(client: AsyncClient) -> None:
    await ingest(client, rows("a", [1, 2, 6, 10], minutes=30) + rows("a", [4], begin=MIDNIGHT + timedelta(hours=5)))
    await ingest(client, rows("b", [1000]))

    assert await get(client, "buckets", **span(6)) == [
        {"count": 2, "minimum": 1, "maximum": 2, "mean": 1.5, "bucket": moment(0)},
        {"count": 2, "minimum": 6, "maximum": 10, "mean": 8, "bucket": moment(1)},
        {"count": 1, "minimum": 4, "maximum": 4, "mean": 4, "bucket": moment(5)},
    ]
    assert [each["count"] for each in await get(client, "buckets", **span(6, seconds=1800))] == [1, 1, 1, 1, 1]
    assert [each["count"] for each in await get(client, "buckets", **span(6, seconds=86_400))] == [5]


async def test_get_buckets_has_the_range_s_first_moment_and_not_its_last(client: AsyncClient) -> None:
    await ingest(client, rows("a", [1, 2, 3]))

    assert [each["minimum"] for each in await get(client, "buckets", **span(2))] == [1, 2]
    assert (await get(client, "statistics", **span(2)))["count"] == 2


async def test_get_buckets_of_a_week_begins_with_monday_whatever_the_range(client: AsyncClient) -> None:
    await ingest(client, rows("a", [1] * 14, minutes=1440, begin=MIDNIGHT - timedelta(days=13)))
    query = span(24, seconds=7 * 86_400) | {"start": (MIDNIGHT - timedelta(days=13, hours=5)).isoformat()}

    found = await get(client, "buckets", **query)

    monday = MIDNIGHT - timedelta(days=MIDNIGHT.weekday())
    assert found[-1]["bucket"] == monday.isoformat().replace("+00:00", "Z")
    assert sum(each["count"] for each in found) == 14


async def test_get_statistics_sums_up_a_range(client: AsyncClient) -> None:
    await ingest(client, rows("a", [2, 4, 4, 4, 5, 5, 7, 9]))

    found = await get(client, "statistics", **span(24))

    assert found == {
        "count": 8,
        "minimum": 2,
        "maximum": 9,
        "mean": 5,
        "deviation": pytest.approx(2.138, abs=0.001),
        "first_at": moment(0),
        "last_at": moment(7),
    }
    nothing = await get(client, "statistics", **(span(24) | {"start": moment(20)}))
    assert nothing == {"count": 0} | dict.fromkeys(found.keys() - {"count"})
    assert (await get(client, "statistics", **span(1)))["deviation"] is None


async def test_get_statistics_sums_up_values_at_the_bounds(client: AsyncClient) -> None:
    await ingest(client, rows("a", [1e100, -1e100, 1e100, 5e-324]))

    assert (await get(client, "statistics", **span(24)))["maximum"] == 1e100
    assert len(await get(client, "buckets", **span(24))) == 4


async def test_get_latest_has_the_newest_of_each_series(client: AsyncClient, other_client: AsyncClient) -> None:
    await ingest(client, rows("b", [1, 2, 3]) + rows("a", [4]) + rows("B", [5], begin=MIDNIGHT - timedelta(days=9)))
    await ingest(other_client, rows("c", [6]))

    found = await get(client, "latest")

    # By bytes, so capitals first, on every server.
    assert [(each["series"], each["value"]) for each in found["latest"]] == [("B", 5), ("a", 4), ("b", 3)]
    assert found["latest"][2]["observed_at"] == moment(2)
    assert found["next"] is None


async def test_get_latest_comes_in_pages(client: AsyncClient) -> None:
    names = [f"s{number}" for number in range(5)]
    await ingest(client, [each for name in names for each in rows(name, [1, 2])])

    seen: list[str] = []
    after: str | None = None
    for _ in range(3):
        page = await get(client, "latest", limit=2, **({"after": after} if after else {}))
        seen += [each["series"] for each in page["latest"]]
        after = page["next"]
    assert (seen, after) == (names, None)


@pytest.mark.parametrize("path", ["buckets", "statistics"])
async def test_get_measurements_of_an_unknown_series_is_not_found(
    path: str, client: AsyncClient, other_client: AsyncClient
) -> None:
    await ingest(other_client, rows("a", [1]))

    answer = await client.get(f"{PATH}/{path}", params=span(1))

    assert answer.status_code == 404
    assert answer.json()["detail"] == "Series a does not exist."


@pytest.mark.parametrize(
    ("query", "field"),
    [
        (span(0), "end"),
        (span(-1), "end"),
        (span(1001), "seconds"),
        (span(24, seconds=86), "seconds"),
        (span(1, seconds=0), "query.seconds"),
        (span(1) | {"end": "9999-12-31T23:59:59-14:00"}, "query.end"),
        (span(1, more="1"), "query.more"),
    ],
)
async def test_get_buckets_refuses_a_range_that_makes_no_sense(
    query: dict[str, Any], field: str, client: AsyncClient
) -> None:
    await ingest(client, rows("a", [1]))

    answer = await client.get(f"{PATH}/buckets", params=query)

    assert (answer.status_code, answer.json()["field"]) == (422, field)
