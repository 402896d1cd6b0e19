"""One object per process, for all who ask."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.core.singletons import Singleton

THREADS = 50


def test_all_threads_get_the_one_object() -> None:
    together = threading.Barrier(THREADS)
    made: list[object] = []

    def make() -> object:
        time.sleep(0.01)
        made.append(object())
        return made[-1]

    instance = Singleton(make)

    def ask(_number: int) -> object:
        together.wait()
        return instance()

    with ThreadPoolExecutor(THREADS) as pool:
        found = list(pool.map(ask, range(THREADS)))

    assert len(made) == 1
    assert all(each is made[0] for each in found)


def test_nothing_is_made_before_it_is_asked_for() -> None:
    made: list[int] = []
    instance = Singleton(lambda: made.append(1))

    assert made == []
    instance()
    # None is an object like any other: it is not made twice.
    instance()
    assert made == [1]


def test_a_factory_that_fails_is_tried_again() -> None:
    answers: Iterator[RuntimeError | str] = iter([RuntimeError("not yet"), RuntimeError("not yet"), "made"])

    def make() -> str:
        answer = next(answers)
        if isinstance(answer, RuntimeError):
            raise answer
        return answer

    instance = Singleton(make)

    for _ in range(2):
        with pytest.raises(RuntimeError, match="not yet"):
            instance()
    assert instance() == "made"
    assert instance() == "made"


def test_a_factory_that_needs_itself_fails_instead_of_hanging() -> None:
    def make() -> object:
        return instance()

    instance: Singleton[object] = Singleton(make)

    with pytest.raises(RecursionError):
        instance()


def test_after_clearing_there_is_a_new_one() -> None:
    instance = Singleton(object)
    first = instance()

    instance.cache_clear()

    assert instance() is not first
    assert instance() is instance()
