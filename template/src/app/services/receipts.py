"""Receipts of payments: a durable subscriber, as what must follow from a payment is."""

from app.core.mail import SendMail, get_mailer
from app.core.uow import unit_of_work
from app.models.events.order import OrderPaid
from app.repositories import orders, users


async def send_receipt(event: OrderPaid) -> None:
    """Mail its owner that an order is paid.

    The event may be delivered twice, after a crash. Its id becomes the message's, by which the second is known as the
    same.
    """
    if get_mailer().send is None:
        return
    async with unit_of_work() as uow:
        order = await orders.find_order(uow.session, event.owner_id, event.order_id)
        owner = await users.find_user(uow.session, event.owner_id)
        if order is None or owner is None:
            return
        values = {"order_id": str(order.id), "description": order.description}
        message = SendMail(id=event.id, to=owner.email, template="order_paid", values=values)
        uow.enqueue(message, key=str(event.id))
