"""One object per process, whoever asks first."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from app.core.exceptions import ConfigurationError
from app.core.singletons import ProcessWide, Singleton

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


def process_wide() -> ProcessWide[object]:
    return ProcessWide("The kettle is", init="init_kettle(water)", close="close_kettle()")


def test_an_object_is_there_from_its_opening_to_its_closing() -> None:
    kettle = process_wide()
    assert kettle.take() is None

    made = kettle.open(object)

    assert kettle.get() is made
    assert kettle.get() is made
    assert kettle.take() is made
    assert kettle.take() is None
    assert kettle.open(object) is not made


def test_asking_too_early_or_too_late_says_what_to_call() -> None:
    kettle = process_wide()
    for _ in range(2):
        with pytest.raises(ConfigurationError, match=r"^The kettle is not initialised\.") as caught:
            kettle.get()
        assert caught.value.next_step == "Call init_kettle(water) first."
        kettle.open(object)
        kettle.take()


def test_a_second_opening_makes_nothing_and_says_what_to_call() -> None:
    kettle = process_wide()
    first = kettle.open(object)
    made: list[int] = []

    with pytest.raises(ConfigurationError, match=r"^The kettle is initialised already\.") as caught:
        kettle.open(lambda: made.append(1))

    assert caught.value.next_step == "Call close_kettle() before the next init_kettle(water)."
    assert made == []
    assert kettle.get() is first


def test_an_opening_that_fails_leaves_nothing_behind() -> None:
    kettle = process_wide()

    def fail() -> object:
        raise ValueError("no water")

    with pytest.raises(ValueError, match="no water"):
        kettle.open(fail)
    assert kettle.value is None
    assert kettle.open(object) is kettle.get()


def test_of_many_threads_one_opens_and_one_closes() -> None:
    together = threading.Barrier(THREADS)
    kettle = process_wide()

    def make() -> object:
        time.sleep(0.01)
        return object()

    def open_and_take(_number: int) -> tuple[bool, object]:
        together.wait()
        try:
            kettle.open(make)
        except ConfigurationError:
            opened = False
        else:
            opened = True
        together.wait()
        return opened, kettle.take()

    with ThreadPoolExecutor(THREADS) as pool:
        results = list(pool.map(open_and_take, range(THREADS)))

    assert sum(opened for opened, _ in results) == 1
    assert sum(taken is not None for _, taken in results) == 1
