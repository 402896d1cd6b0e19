"""The process's one bus: opened and closed by the lifespan."""

from app.core.events.bus import EventBus
from app.core.exceptions import ConfigurationError

_current: EventBus | None = None


def init_event_bus(bus: EventBus) -> EventBus:
    """Make this the process's bus. It is started by `start()`, when its handlers are subscribed.

    Raises:
        ConfigurationError: There is one already.
    """
    global _current
    if _current is not None:
        raise ConfigurationError(
            "The event bus is initialised already.",
            next_step="Call close_event_bus() before the next init_event_bus().",
        )
    _current = bus
    return bus


async def close_event_bus(*, drain_seconds: float) -> None:
    """Stop the process's bus, if there is one.

    Args:
        drain_seconds: How long its handlers may take for what is published already.
    """
    global _current
    if _current is None:
        return
    try:
        # Handlers that are still at work may ask for it.
        await _current.stop(drain_seconds=drain_seconds)
    finally:
        _current = None


def get_event_bus() -> EventBus:
    """The process's bus.

    Raises:
        ConfigurationError: There is none yet, or no longer.
    """
    if _current is None:
        raise ConfigurationError("The event bus is not initialised.", next_step="Call init_event_bus(bus) first.")
    return _current
