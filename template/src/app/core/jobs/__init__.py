"""Work that survives: jobs are rows of the database, written in the transaction of the change that they belong to.

    class SendReceipt(BaseJob): ...             the work and its values
    uow.enqueue(SendReceipt(...))               in a service: committed with the change, or not at all
    jobs.register(SendReceipt, send_receipt)    in `wiring.py`
    jobs.schedule("0 3 * * *", MakeReport)      at three every night, once however many workers there are

Any number of `app worker` processes run them, at least once each. The engine is pgqueuer, which only `engine.py` knows.
"""

from app.core.jobs.job import BaseJob, Jobs, get_jobs
