"""What is collected during a turn of the event loop is handed on once, and nothing is left behind."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from app.core.logging.batch import TurnBatch


class Taken:
    """What was handed on, time by time."""

    def __init__(self) -> None:
        self.times: list[list[int]] = []

    def __call__(self, together: Sequence[int]) -> None:
        self.times.append(list(together))


@pytest.fixture
def taken() -> Taken:
    return Taken()


@pytest.fixture
def batch(taken: Taken) -> TurnBatch[int]:
    return TurnBatch(taken)


@pytest.mark.anyio
async def test_what_comes_together_is_handed_on_in_order_when_the_turn_ends(
    batch: TurnBatch[int], taken: Taken
) -> None:
    for turn in (1, 2):
        for number in (1, 2, 3):
            batch.add(turn * 10 + number)
        assert len(taken.times) == turn - 1
        await asyncio.sleep(0)

    assert taken.times == [[11, 12, 13], [21, 22, 23]]


@pytest.mark.anyio
async def test_nothing_is_handed_on_twice(batch: TurnBatch[int], taken: Taken) -> None:
    batch.add(1)
    batch.flush()
    batch.flush()
    await asyncio.sleep(0)

    assert taken.times == [[1]]


def test_without_an_event_loop_nothing_waits(batch: TurnBatch[int], taken: Taken) -> None:
    batch.add(1)
    batch.add(2)

    assert taken.times == [[1], [2]]


def test_what_a_loop_that_was_stopped_leaves_is_handed_on_by_the_next(batch: TurnBatch[int], taken: Taken) -> None:
    stopped = asyncio.new_event_loop()

    async def add_and_stop() -> None:
        batch.add(1)
        stopped.stop()

    task = stopped.create_task(add_and_stop())
    stopped.run_forever()
    assert taken.times == []

    async def add() -> None:
        batch.add(2)

    asyncio.run(add())
    assert taken.times == [[1, 2]]
    stopped.run_until_complete(task)
    stopped.close()


def test_threads_lose_nothing(batch: TurnBatch[int], taken: Taken) -> None:
    async def add(first: int) -> None:
        for number in range(first, first + 500):
            batch.add(number)
            if number % 7 == 0:
                await asyncio.sleep(0)

    threads = [threading.Thread(target=lambda first=first: asyncio.run(add(first))) for first in range(0, 4000, 500)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(number for time in taken.times for number in time) == list(range(4000))
