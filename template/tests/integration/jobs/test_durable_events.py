"""Durable events: each subscriber gets them by a job, which is written with the change."""

from contextlib import suppress
from typing import ClassVar

import pytest
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncConnection

from app.core.events import BaseEvent, DeliverEvent
from app.core.exceptions import EventBusException
from app.core.jobs import Jobs
from app.core.uow import unit_of_work
from tests.applications import process_with
from tests.buses import Counted, Recorder, running_bus
from tests.jobs import rows, run_jobs

pytestmark = pytest.mark.anyio


class Paid(BaseEvent):
    type: ClassVar[str] = "test.paid"
    durable: ClassVar[bool] = True


class PaidInParts(Paid):
    type: ClassVar[str] = "test.paid_in_parts"
    parts: tuple[int, ...]


class Ledger:
    """A subscriber."""

    def __init__(self) -> None:
        self.heard: list[BaseEvent] = []

    async def hear(self, event: BaseEvent) -> None:
        self.heard.append(event)


async def test_record_delivers_a_durable_event_to_every_subscriber_after_a_crash(
    app: FastAPI, transaction: AsyncConnection, jobs: Jobs
) -> None:
    first, second, other = Ledger(), Ledger(), Recorder()
    event = PaidInParts(parts=(1, 2))
    async with running_bus() as bus:
        bus.subscribe(Counted, other)
        bus.subscribe(Paid, first.hear)
        # The same function, for the subclass alone: it is told once for each subscription.
        bus.subscribe(PaidInParts, second.hear)
        with process_with(bus):
            async with unit_of_work() as uow:
                uow.record(event)
            with suppress(ZeroDivisionError):
                async with unit_of_work() as uow:
                    uow.record(PaidInParts(parts=()))
                    raise ZeroDivisionError
    assert bus.counts["published"] == 0
    assert len(await rows()) == 2

    # Another process, which has the same subscribers.
    async with running_bus() as later:
        later.subscribe(Paid, first.hear)
        jobs.register(DeliverEvent, later.deliver)
        with process_with(later, jobs):
            await run_jobs()
    assert first.heard == [event, event]


async def test_deliver_fails_where_no_subscriber_has_the_name_or_takes_the_version() -> None:
    ledger = Ledger()
    async with running_bus() as bus:
        bus.subscribe(Paid, ledger.hear)
        (job,) = bus.jobs_for(Paid())
        with pytest.raises(ValueError, match="version 2"):
            await bus.deliver(job.model_copy(update={"event": {**job.event, "version": 2}}))
        with pytest.raises(EventBusException, match=r"takes test\.other"):
            await bus.deliver(job.model_copy(update={"event": {**job.event, "type": "test.other"}}))
        bus.unsubscribe(Paid, ledger.hear)
        with pytest.raises(EventBusException, match="No subscriber"):
            await bus.deliver(job)
    assert ledger.heard == []


async def test_publish_refuses_a_durable_event() -> None:
    async with running_bus() as bus:
        with pytest.raises(EventBusException, match=r"uow\.record"):
            await bus.publish(Paid())
