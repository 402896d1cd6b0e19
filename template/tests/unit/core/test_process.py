"""The process's objects: opened together, reached by their type, closed in reverse."""

import pytest

from app.core.exceptions import ConfigurationError
from app.core.process import get_object, open_process
from tests.applications import process_of_its_own

pytestmark = pytest.mark.anyio


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
    assert "open_services(settings)" in str(caught.value.next_step)
