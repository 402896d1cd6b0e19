"""The page of `ashlar explore` in a real browser: pick, read, compare, search and copy."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect, sync_playwright

from ashlar.explore.command import export, open_site
from ashlar.explore.serving import Server
from tests.outside.test_browser import CHROMIUM, QUIET
from tests.updating import make_template, next_version

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 780}
ORDERS = "src/app/services/orders.py"
# The template is rendered while the page waits.
MILLISECONDS = 60_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def url(template: Path) -> Iterator[str]:
    """The address of the site of the template as it stands."""
    with open_site(str(template)) as site, Server(site, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.url
        server.shutdown()


@contextmanager
def opened(browser: Browser, url: str, size: dict[str, int], **options: object) -> Iterator[Page]:
    """Open a page, which may neither complain nor ask another host for anything."""
    complaints: list[str] = []
    context: BrowserContext = browser.new_context(viewport=size, **options)  # type: ignore[arg-type]
    context.set_default_timeout(MILLISECONDS)
    expect.set_options(timeout=MILLISECONDS)
    page = context.new_page()
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith(url.rpartition("/")[0])
            else complaints.append(request.url)
        ),
    )
    page.goto(url, wait_until="domcontentloaded")
    expect(page.get_by_role("heading", name="What you would get")).to_be_visible()
    yield page
    context.close()
    assert complaints == []


def row(page: Page, path: str) -> Locator:
    """Return the row of a file or folder in the tree."""
    return page.locator(f"[role=treeitem][data-path='{path}']")


def must_fit(page: Page) -> None:
    """Check that nothing stands out of the window to the side."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_explore_picks_reads_compares_and_copies(
    browser: Browser, url: str, size: dict[str, int]
) -> None:
    with opened(browser, url, size) as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        is_phone = size == PHONE
        panel = page.get_by_role("button", name="Options and files")
        must_fit(page)

        if is_phone:
            panel.click()
        page.get_by_label("stripe", exact=True).check()
        expect(page.locator("#change")).to_contain_text("files new, 0 gone")
        must_fit(page)
        row(page, "src/app/services").click()
        row(page, ORDERS).click()
        expect(page.locator("main .title")).to_contain_text(ORDERS)
        expect(page.locator("main .code .K").first).to_be_visible()
        expect(row(page, ORDERS)).to_be_visible(visible=not is_phone)
        must_fit(page)

        if is_phone:
            panel.click()
        page.locator("#options li", has_text="redis").get_by_role("link").click()
        expect(page.get_by_role("heading", name="What redis adds")).to_be_visible()
        expect(page.locator(".total .plus")).to_contain_text("+")
        details = page.locator("details", has_text="src/app/core/config/redis.py").first
        details.locator("summary").click()
        expect(details.locator(".added").first).to_be_visible()
        expect(
            page.locator("details", has_text="wiring.py").locator(".added").first
        ).to_be_visible()
        must_fit(page)

        page.get_by_role("button", name="Copy").click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied.endswith("ashlar new my-service --stripe")


def test_explore_goes_by_keys(browser: Browser, url: str) -> None:
    with opened(browser, url, DESKTOP) as page:
        page.keyboard.press("?")
        expect(page.get_by_role("dialog")).to_be_visible()
        page.keyboard.press("Escape")
        page.keyboard.press("5")
        expect(page.locator("#command")).to_have_text(f"{command_of(page)} --no-example")

        page.keyboard.press("/")
        page.keyboard.type("def create_app")
        hit = page.locator(".hits > li", has_text="src/app/main.py").locator("a.line").first
        expect(hit).to_contain_text("def create_app(")
        hit.click()
        expect(page.locator(".code .here")).to_contain_text("def create_app(")
        expect(row(page, "src/app/main.py")).to_have_attribute("aria-selected", "true")

        page.locator("main").click()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowUp")
        page.keyboard.press("Enter")
        expect(page.locator("main .title")).not_to_contain_text("main.py")
        page.go_back()
        expect(page.locator("main .title")).to_contain_text("src/app/main.py")


def command_of(page: Page) -> str:
    return (page.locator("#command").text_content() or "").partition(" --no-example")[0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_explore_is_light_or_dark_as_the_system_or_as_chosen(
    browser: Browser, url: str, scheme: str
) -> None:
    other = {"light": "dark", "dark": "light"}[scheme]
    with opened(browser, url, DESKTOP, color_scheme=scheme) as page:
        root = page.locator("html")
        expect(root).to_have_attribute("data-theme", scheme)
        page.get_by_role("button", name="Light or dark").click()
        page.reload()
        expect(root).to_have_attribute("data-theme", other)


def test_an_exported_site_opens_from_the_file_system(browser: Browser, tmp_path: Path) -> None:
    template = make_template(tmp_path / "template")
    next_version(template)
    with open_site(str(template)) as site:
        export(site, tmp_path / "site", say=lambda _: None)

    with opened(browser, (tmp_path / "site/index.html").as_uri(), DESKTOP) as page:
        page.get_by_label("lamp").check()
        row(page, "src/app/lamp.py").click()
        expect(page.locator("main .code")).to_contain_text("The module called lamp")
        expect(page.locator("main .code .D").first).to_be_visible()

        page.get_by_label("Version").select_option("1.0.0")
        expect(page.locator("#command")).to_contain_text("--lamp --version 1.0.0")
        page.locator("#change a").click()
        expect(page.get_by_role("heading", name="1.1.0 → 1.0.0")).to_be_visible()
        expect(page.locator(".removed", has_text='return "of 1.1.0"')).to_be_visible()
        expect(page.locator(".added", has_text='return "threads_a"')).to_be_visible()

        page.get_by_role("searchbox").fill("Five.")
        expect(page.locator(".hits mark")).to_have_text(["Five."])
