"""Takes README's screenshots from a running application: `python scripts/screenshots.py http://127.0.0.1:7860`."""

from __future__ import annotations

import re
import shutil
import sys
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

OUT = Path(__file__).resolve().parents[1] / "docs" / "screenshots"
FLAGS = [
    "--no-sandbox",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--ignore-gpu-blocklist",
]
PROMPT = "a woman in a red shirt in front of a blue wall"
LONG_MS = 240_000


def open_page(page, name: str) -> None:
    tab = page.locator(f"#page-{name}-button")
    if tab.is_visible():
        tab.click()
    else:
        page.locator("#pages > .tab-wrapper .overflow-menu > button").click()
        page.locator(".overflow-dropdown button", has_text=re.compile(name, re.I)).click()
    page.wait_for_timeout(4000)


def generate(page) -> float:
    runs = "#status [data-runs]"
    before = page.locator(runs).get_attribute("data-runs")
    start = time.monotonic()
    page.locator("#generate").click()
    ended = f'#status [data-runs]:not([data-runs="{before}"]):not([data-running])'
    page.wait_for_selector(ended, timeout=LONG_MS)
    return time.monotonic() - start


def main(url: str) -> None:
    OUT.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(90_000)
        page.goto(url + "/?__theme=light")
        page.wait_for_selector("#hand-editor [data-ready], #hand-editor[data-ready]", state="attached")
        page.wait_for_selector("#board article")
        page.locator("#picker .item[data-gesture=ok]").click()
        page.locator("#prompt textarea").fill(PROMPT)
        page.wait_for_timeout(3000)
        print(f"four columns: {generate(page):.1f} s")
        page.wait_for_timeout(3000)
        page.screenshot(path=OUT / "compare.png")
        print(f"again: {generate(page):.2f} s")
        for name in ("inspect", "reconstruct", "gallery"):
            open_page(page, name)
            page.screenshot(path=OUT / f"{name}.png")
        page.close()
        phone = browser.new_page(
            viewport={"width": 390, "height": 844}, color_scheme="dark", device_scale_factor=2
        )
        phone.set_default_timeout(90_000)
        phone.goto(url + "/?__theme=dark")
        phone.locator("#picker").wait_for()
        phone.wait_for_timeout(6000)
        phone.screenshot(path=OUT / "phone.png")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:7860")
