"""Promises of payments: each event and each call has one effect, and production simulates none."""

from __future__ import annotations

from tests.promises.promise import Promise

_WEBHOOKS = "tests/integration/payment/test_webhooks.py"
_CHECKOUT = "tests/integration/payment/test_checkout.py"

PAYMENTS = (
    Promise(
        "a webhook counts once however often it comes",
        "src/app/services/webhooks.py",
        "        return _logged(event, WebhookOutcome.DUPLICATE)\n",
        "        _logged(event, WebhookOutcome.DUPLICATE)\n",
        f"{_WEBHOOKS}::test_receive_event_has_one_effect_for_fifty_deliveries",
    ),
    Promise(
        "a webhook's id is committed with its effect",
        "src/app/services/webhooks.py",
        "    if not payment.is_ours(event)",
        "    await uow.session.commit()\n    if not payment.is_ours(event)",
        f"{_WEBHOOKS}::test_receive_event_leaves_no_trace_of_a_handler_that_fails",
    ),
    Promise(
        "only Stripe's webhooks count",
        "src/app/core/payment/facade.py",
        "    verify_webhook_signature(body, signature)\n",
        "",
        "tests/integration/payment/test_webhooks_refused.py::test_receive_event_refuses_what_is_not_stripe_s_or_old",
    ),
    Promise(
        "a webhook that was recorded cannot be played back later",
        "src/app/core/payment/facade.py",
        "abs(time.time() - int(timestamps[0])) >",
        "int(timestamps[0]) - time.time() >",
        "tests/unit/core/payment/test_signatures.py::test_verify_webhook_signature_refuses_an_old_one",
    ),
    Promise(
        "a webhook from a time to come is not kept fresh",
        "src/app/core/payment/facade.py",
        "abs(time.time() - int(timestamps[0])) >",
        "time.time() - int(timestamps[0]) >",
        "tests/unit/core/payment/test_signatures.py::test_verify_webhook_signature_refuses_one_from_a_time_to_come",
    ),
    Promise(
        "a checkout whose answer was lost is the same checkout",
        "src/app/services/checkout.py",
        'idempotency_key=f"order-{order.id}-checkout-{order.checkout_attempt}"',
        "idempotency_key=None",
        f"{_CHECKOUT}::test_start_checkout_repeats_a_lost_call_under_the_same_key",
    ),
    Promise(
        "a refund whose answer was lost is the same refund",
        "src/app/services/refunds.py",
        'idempotency_key=f"order-{order.id}-refund-{order.refund_attempt}"',
        "idempotency_key=None",
        "tests/integration/payment/test_refunds.py::test_refund_order_refunds_nothing_twice_after_a_lost_answer",
    ),
    Promise(
        "what is paid is what was ordered",
        "src/app/services/settlement.py",
        "if (session.amount, session.currency) != (order.amount, order.currency):",
        "if session.amount == 0:",
        "tests/integration/payment/test_webhooks_settle.py::test_receive_event_pays_nothing_by_another_amount",
    ),
    Promise(
        "an order is paid by a page that was made for it",
        "src/app/services/settlement.py",
        "    if order is None or not _is_page_of(order, session):\n",
        "    if order is None:\n",
        "tests/integration/payment/test_webhooks_settle.py",
    ),
    Promise(
        "an event of another account pays nothing",
        "src/app/core/payment/facade.py",
        "return counted and event.livemode",
        "return event.livemode",
        "tests/integration/payment/test_webhooks_settle.py",
    ),
    Promise(
        "money that went back is a state of the order, whenever it is heard of",
        "src/app/services/settlement.py",
        "    if known is None or known.is_overtaken_by(news.status, happened_at):\n",
        "    if news:\n",
        "tests/integration/payment/test_webhooks_order.py",
    ),
    Promise(
        "no connection is held while Stripe is asked",
        "src/app/services/checkout.py",
        "    async with unit_of_work() as uow:\n"
        "        order = await lock_own_order(uow, owner_id, order_id)\n",
        "    held = unit_of_work()\n"
        "    order = await lock_own_order(await held.__aenter__(), owner_id, order_id)\n",
        f"{_CHECKOUT}::test_start_checkout_holds_no_connection_while_stripe_is_asked",
    ),
    Promise(
        "production takes no payment in test mode",
        "src/app/core/config/stripe.py",
        "        if self.has_test_key:\n",
        "        if self.attempts < 0:\n",
        "tests/unit/core/config/test_stripe.py::test_production_takes_no_payment_in_test_mode",
    ),
    Promise(
        "production makes up no payment where Stripe is switched off",
        "src/app/core/payment/facade.py",
        "switched_off = environment is Environment.PRODUCTION and client.test_mode",
        "switched_off = False",
        "tests/integration/payment/test_switched_off.py",
    ),
)
