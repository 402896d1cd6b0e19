"""Facts that one part of the application records and other parts react to.

    class SomethingHappened(BaseEvent): ...         the fact and its values
    uow.record(SomethingHappened(...))              in a service: published once it is committed
    bus.subscribe(SomethingHappened, react)         in `wiring.py`

The bus belongs to one process and keeps nothing beyond it: what it holds is lost when the process is killed. An event
whose class says `durable = True` is delivered by jobs instead, which are written in the transaction of the change.
"""

from app.core.events.bus import EventBus, EventBusStats, get_event_bus
from app.core.events.delivery import DeliverEvent
from app.core.events.event import BaseEvent

__all__ = ["BaseEvent", "DeliverEvent", "EventBus", "EventBusStats", "get_event_bus"]
