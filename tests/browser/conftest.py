"""One Chromium for all browser tests: pages that note every error and every request that leaves the machine.

    def test_it(serve, visit):
        page = visit(serve(blocks)).page        # or visit(url, dark=True, size=PHONE, touch=True)

Playwright's sync API keeps an event loop running in the main thread for the rest of the process, so that
there is one Playwright in all, and tests that use it run last.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

DESKTOP, PHONE = (1440, 900), (390, 844)  # (width, height) px
TIMEOUT_MS = 30_000  # software rendering on a busy machine
FLAGS = [
    "--no-sandbox", "--no-first-run", "--disable-sync",
    "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist",
    "--disable-background-networking", "--disable-component-update",
    "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
]  # fmt: skip
_LOCAL = {"127.0.0.1", "localhost", ""}
# A page that is left cuts its event stream; that is no error. Nor is that a test has no GPU.
_BENIGN = ("ERR_ABORTED", "software rasterizer", "GPU stall", "GroupMarkerNotSet")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


@dataclass
class Visit:
    """A page in a browser profile of its own."""

    page: Any  # playwright Page
    errors: list[str] = field(default_factory=list)  # console errors, exceptions, failed requests
    outside: list[str] = field(default_factory=list)  # requests to other machines

    def check(self) -> None:
        """Nothing went wrong and nothing left the machine so far."""
        assert not self.errors
        assert not self.outside

    def close(self) -> None:
        self.page.context.close()


@pytest.fixture(scope="session")
def film(tmp_path_factory) -> Path:
    """What the browser's camera sees once a test has written it there: JPEGs, one after the other."""
    return tmp_path_factory.getbasetemp() / "film.mjpeg"


@pytest.fixture(scope="session")
def browser(film) -> Iterator[Any]:
    """The one Chromium."""
    from playwright.sync_api import sync_playwright

    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        pytest.fail("Browser tests need Chromium: run `make test`, or set CHROMIUM to its path.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=[*FLAGS, f"--use-file-for-fake-video-capture={film}"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def serve() -> Iterator[Callable[..., str]]:
    """serve(blocks, **launch) -> URL. Served until the session ends."""
    served = []

    def launch(blocks: Any, **options: Any) -> str:
        _, url, _ = blocks.launch(prevent_thread_lock=True, quiet=True, ssr_mode=False, **options)
        served.append(blocks)
        return url

    yield launch
    for blocks in served:
        blocks.close(verbose=False)


@pytest.fixture(scope="session")
def visit(browser) -> Iterator[Callable[..., Visit]]:
    """visit(url, size=..., dark=..., touch=..., script=None) -> Visit; `script` runs before the page does."""
    visits = []

    def open_page(
        url: str,
        *,
        size: tuple[int, int] = DESKTOP,
        dark: bool = False,
        touch: bool = False,
        script: str | None = None,
        **context: Any,
    ) -> Visit:
        profile = browser.new_context(
            viewport={"width": size[0], "height": size[1]},
            color_scheme="dark" if dark else "light",
            has_touch=touch,
            is_mobile=touch,
            **context,
        )
        profile.set_default_timeout(TIMEOUT_MS)
        if script:
            profile.add_init_script(script)
        one = Visit(profile.new_page())
        _listen(one)
        visits.append(one)
        one.page.goto(url)
        return one

    yield open_page
    for one in visits:
        one.close()


@pytest.fixture
def page(browser) -> Iterator[Any]:
    """An empty desktop page; what goes wrong on it fails the test."""
    profile = browser.new_context(viewport={"width": DESKTOP[0], "height": DESKTOP[1]})
    profile.set_default_timeout(TIMEOUT_MS)
    one = Visit(profile.new_page())
    _listen(one)
    yield one.page
    one.close()
    one.check()


def _listen(one: Visit) -> None:
    def note(text: str) -> None:
        if not any(benign in text for benign in _BENIGN):
            one.errors.append(text)

    def see(request: Any) -> None:
        parts = urlsplit(request.url)
        if parts.scheme in ("http", "https", "ws", "wss") and parts.hostname not in _LOCAL:
            one.outside.append(request.url)

    one.page.on("console", lambda message: note(message.text) if message.type == "error" else None)
    one.page.on("pageerror", lambda error: note(str(error)))
    one.page.on("requestfailed", lambda request: note(f"{request.url} {request.failure}"))
    one.page.on("request", see)
