"""The texts that a reporting tool would show, which prints the local variables of a traceback."""

import traceback
from collections.abc import Iterator


def find_in_traceback(error: BaseException, planted: str) -> list[str]:
    """The places of a text: in the formatted traceback, its causes included, or in a local variable of the code below.

    Tests hold what they have planted themselves, so that their own frames do not count.
    """
    found = [f"message of {type(each).__name__}" for each in _chain(error) if planted in "".join(map(repr, each.args))]
    for each in _chain(error):
        for frame, line in traceback.walk_tb(each.__traceback__):
            if "/tests/" in frame.f_code.co_filename:
                continue
            found += [
                f"{frame.f_code.co_qualname}:{line} {name}"
                for name, value in frame.f_locals.items()
                if planted in repr(value)
            ]
    return found


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            yield each
            waiting += [each.__cause__, each.__context__]
