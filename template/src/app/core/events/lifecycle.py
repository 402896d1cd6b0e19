"""The process's one bus: opened and closed by the lifespan."""

from typing import Final

from app.core.events.bus import EventBus
from app.core.singletons import ProcessWide

_current: Final = ProcessWide[EventBus]("The event bus is", init="init_event_bus(bus)", close="close_event_bus(…)")


def init_event_bus(bus: EventBus) -> EventBus:
    """Make this the process's bus. It is started by `start()`, when its handlers are subscribed.

    Raises:
        ConfigurationError: There is one already.
    """
    return _current.open(lambda: bus)


async def close_event_bus(*, drain_seconds: float) -> None:
    """Stop the process's bus, if there is one.

    Args:
        drain_seconds: How long its handlers may take for what is published already.
    """
    if (bus := _current.value) is None:
        return
    try:
        # Not taken yet: handlers that are still at work may ask for it.
        await bus.stop(drain_seconds=drain_seconds)
    finally:
        _current.take()


def get_event_bus() -> EventBus:
    """Return the process's bus.

    Raises:
        ConfigurationError: There is none yet, or no longer.
    """
    return _current.get()
