"""Hold the rendered tests' Stripe for a test of the factory: run by a rendered project's Python.

Prints its address. Reads the id of a checkout page a line, has the customer pay there, and answers
with the page. Ends with its input.
"""

from __future__ import annotations

import asyncio
import json
import sys

from tests.servers.stripe import stripe_server


async def main() -> None:
    """Serve until the input ends."""
    async with stripe_server() as stripe:
        print(stripe.http.url, flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(stripe.pay(line.strip())), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
