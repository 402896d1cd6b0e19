"""The process's objects: opened together, reached by their type, closed in reverse; and those made on demand."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.core.exceptions import ConfigurationError
from app.core.process import Singleton, get_object, open_process
from tests.applications import process_of_its_own

pytestmark = pytest.mark.anyio

THREADS = 50


class Kettle:
    def __init__(self, ended: list[object]) -> None:
        self.ended = ended

    async def close(self) -> None:
        assert get_object(type(self)) is self, "what is being closed may still be asked for"
        self.ended.append(self)


class Teapot(Kettle):
    pass


async def test_open_process_closes_in_reverse_what_was_opened_also_when_the_rest_fails() -> None:
    ended: list[object] = []
    kettle, teapot = Kettle(ended), Teapot(ended)

    async def open_and_fail() -> None:
        async with open_process() as process:
            process.add(kettle, close=kettle.close)
            process.add(teapot, close=teapot.close)
            assert (get_object(Kettle), get_object(Teapot)) == (kettle, teapot)
            process.add(Kettle(ended))

    with pytest.raises(ConfigurationError, match="has a Kettle already"):
        await open_and_fail()
    assert ended == [teapot, kettle]


async def test_get_object_says_what_to_do_where_there_is_none() -> None:
    with process_of_its_own(), pytest.raises(ConfigurationError, match="has no Kettle") as caught:
        get_object(Kettle)
    assert "`process.add(…)`" in str(caught.value.next_step)
    assert "open_services(settings)" in str(caught.value.next_step)


def test_singleton_gives_all_threads_the_one_object_until_it_is_cleared() -> None:
    together = threading.Barrier(THREADS)
    made: list[object] = []

    def make() -> object:
        time.sleep(0.01)
        made.append(object())
        if len(made) == 2:
            raise RuntimeError("not yet")
        return made[-1]

    instance = Singleton(make)

    def ask(_number: int) -> object:
        together.wait()
        return instance()

    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(ask, range(THREADS)))
    assert len(made) == 1
    assert set(found) == {made[0]}

    instance.cache_clear()
    with pytest.raises(RuntimeError, match="not yet"):
        instance()
    assert instance() is instance() is made[2], "a factory that fails is tried again"
