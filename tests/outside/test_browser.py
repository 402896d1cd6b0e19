"""A page on another origin, in a real browser: it registers, logs in, orders, pays and goes on."""

from __future__ import annotations

import functools
import hashlib
import hmac
import http.server
import json
import re
import shutil
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, sync_playwright

from tests.outside.serving import PERSON, Databases, Served, make_person, served
from tests.projects import Project

HERE = Path(__file__).parent
CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
# The browser asks nothing outside of this machine.
QUIET = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WEBHOOK_SECRET = "whsec_of_the_tests"  # noqa: S105 — signs for this test alone


class Files(http.server.SimpleHTTPRequestHandler):
    """Serves a folder without a word."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def pages(tmp_path: Path) -> Iterator[int]:
    """The port of the page's own server."""
    folder = tmp_path / "pages"
    folder.mkdir()
    shutil.copy(HERE / "shop.js", folder)
    (folder / "shop.html").write_text(
        "<!doctype html><title>A shop</title><script src=shop.js></script>"
    )
    handler = functools.partial(Files, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


class Stripe:
    """The rendered tests' Stripe in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.url = self._read()

    def pay(self, page_url: str) -> dict[str, Any]:
        """Pay on a checkout page and return it."""
        assert self.process.stdin is not None
        print(page_url.rpartition("/")[2], file=self.process.stdin, flush=True)
        page: dict[str, Any] = json.loads(self._read())
        return page

    def _read(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


@contextmanager
def stripe_of(project: Project) -> Iterator[Stripe]:
    """Run the Stripe that the project's own tests have."""
    with subprocess.Popen(
        [str(project.venv / "bin" / "python"), str(HERE / "stripe_api.py")],
        env=project.environment | {"PYTHONPATH": str(project.folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Stripe(process)


def deliver(server: Served, session: dict[str, Any]) -> object:
    """Tell the server, as Stripe does, that a checkout page was completed."""
    event = {
        "id": f"evt_{session['id']}",
        "object": "event",
        "api_version": "2026-09-30",
        "created": int(time.time()),
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": "checkout.session.completed",
        "data": {"object": session},
    }
    body = json.dumps(event).encode()
    moment = str(int(time.time()))
    signed = hmac.new(WEBHOOK_SECRET.encode(), f"{moment}.".encode() + body, hashlib.sha256)
    headers = {
        "Content-Type": "application/json",
        "Stripe-Signature": f"t={moment},v1={signed.hexdigest()}",
    }
    request = urllib.request.Request(f"{server.url}/webhooks/stripe", body, headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


@pytest.fixture
def page() -> Iterator[Page]:
    """A page of a real browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser.new_page()
        browser.close()


@pytest.fixture
def shop(
    full: Project, postgres: Databases, tmp_path: Path, pages: int
) -> Iterator[tuple[Served, Stripe]]:
    """The full project, which lets the page's origin in, and its Stripe."""
    database_url = postgres.create()
    with (
        stripe_of(full) as stripe,
        served(
            full,
            database_url,
            tmp_path / "log",
            CORS_ORIGINS=f"http://127.0.0.1:{pages}",
            API_WORKERS="1",
            STRIPE_ENABLED="true",
            STRIPE_SECRET_KEY="sk_test_of_the_tests",  # noqa: S106 — the same
            STRIPE_WEBHOOK_SECRET=WEBHOOK_SECRET,
            STRIPE_API_BASE=stripe.url,
        ) as server,
    ):
        make_person(full, database_url)
        yield server, stripe


def test_a_page_on_another_origin_registers_orders_and_pays(
    shop: tuple[Served, Stripe], page: Page, pages: int
) -> None:
    server, stripe = shop
    page.goto(f"http://127.0.0.1:{pages}/shop.html?api={server.url}")

    def call(*arguments: object, of: str = "call") -> dict[str, Any]:
        found: dict[str, Any] = page.evaluate(f"given => {of}(...given)", arguments)
        return found

    unknown = call("GET", "/api/v1/users/me")
    assert (unknown["status"], unknown["authenticate"]) == (401, "Bearer")
    assert call("POST", "/api/v1/auth/register", PERSON)["status"] == 202
    assert call("login", PERSON, of="logIn")["status"] == 200

    order = {"description": "A donation", "amount": 1250, "currency": "eur"}
    made = call("POST", "/api/v1/orders", order, {"Idempotency-Key": "of-this-order"})
    assert (made["status"], made["requestId"]) == (201, "of-a-browsers-page")
    assert made["location"] == f"orders/{made['body']['id']}"
    address = f"/api/v1/{made['location']}"
    assert call("HEAD", address)["status"] == 200
    checkout = call("POST", f"{address}/checkout")
    assert checkout["status"] == 200
    assert deliver(server, stripe.pay(checkout["body"]["url"])) == {"outcome": "handled"}
    assert call("GET", address)["body"]["status"] == "paid"

    refresh_token = page.evaluate("tokens.refresh_token")
    assert call("refresh", {"refresh_token": refresh_token}, of="logIn")["status"] == 200
    assert page.evaluate("tokens.refresh_token") != refresh_token
    key = call(
        "POST", "/api/v1/users/me/api-keys", {"name": "of a page", "scopes": ["orders:read"]}
    )
    page.evaluate("delete tokens.access_token")
    assert call("GET", "/api/v1/orders", None, {"X-API-Key": key["body"]["key"]})["status"] == 200

    assert call("DELETE", "/api/v1/orders")["allow"] == "GET, HEAD, POST"
    wrong = {"refresh_token": "rt_of_nobody"}
    refused = next(
        answer
        for answer in (call("POST", "/api/v1/auth/refresh", wrong) for _ in range(100))
        if answer["status"] != 401
    )
    assert refused["status"] == 429
    assert 0 < int(refused["retryAfter"]) <= 60

    page.goto(f"http://localhost:{pages}/shop.html?api={server.url}")
    assert page.evaluate("refusal()") == "TypeError"


@pytest.mark.parametrize("arrives", ["", "whole", "stripped"])
def test_docs_show_the_api_and_log_a_person_in_without_another_machine(
    full: Project, postgres: Databases, tmp_path: Path, page: Page, arrives: str
) -> None:
    """At the root, and below a prefix that a proxy passes on or strips."""
    prefix = "/shop" if arrives else ""
    database_url = postgres.create()
    with served(
        full, database_url, tmp_path / "log", API_ROOT_PATH=prefix, API_WORKERS="1"
    ) as server:
        make_person(full, database_url)
        if arrives == "stripped":
            page.route(
                f"{server.url}{prefix}/**",
                lambda route: route.continue_(url=route.request.url.replace(prefix, "", 1)),
            )
        use_docs(page, server, f"{server.url}{prefix}/docs")


def use_docs(page: Page, server: Served, address: str) -> None:
    """Log in on the page of the API's documentation, wrongly first, and try a route out."""
    asked: list[str] = []
    complaints: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(address)
    for word in ("wrong horse battery staple", PERSON["password"]):
        page.get_by_role("textbox", name="E-mail address").fill(PERSON["email"])
        page.get_by_role("textbox", name="Password").fill(word)
        page.locator("#login button").click()
        page.locator("output", has_text=re.compile("wrong|Logged in")).wait_for()
    page.locator("output", has_text="Logged in.").wait_for()

    path = page.locator('[data-path="/api/v1/users/me"]')
    operation = page.locator(".opblock-get", has=path)
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table")
    answer.get_by_text(PERSON["email"]).first.wait_for()

    assert page.title() == "My Service"
    assert {url for url in asked if not url.startswith((server.url, "data:"))} == set()
    # Chromium notes the refused login.
    assert [text for text in complaints if "401" not in text] == []
