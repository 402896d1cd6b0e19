"""`Singleton`: one object per process, for all who ask."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.core.singletons import Singleton

THREADS = 50


def test_singleton_gives_all_threads_the_one_object_and_a_new_one_after_clearing() -> None:
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
    assert set(found) == {made[0]}

    instance.cache_clear()
    assert instance() is instance() is made[1]


def test_singleton_tries_a_factory_that_fails_again_and_keeps_none() -> None:
    answers = iter([RuntimeError("not yet"), None])

    def make() -> None:
        if error := next(answers):
            raise error

    instance = Singleton(make)
    with pytest.raises(RuntimeError, match="not yet"):
        instance()
    instance()
    instance()
    assert next(answers, "no more") == "no more"
