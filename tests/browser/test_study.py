"""The study in Chromium: by keyboard only, by touch, two at once, with the server killed in the middle."""

from __future__ import annotations

import csv
import io
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PHONE = (390, 844)
TOKEN = "owner-token"
KEYS = {"a": "left", "b": "right", "t": "tie", "n": "both_bad", "ArrowLeft": "left", "ArrowRight": "right"}

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def studies(tmp_path_factory):
    """Prepared studies: `small` with two questions and 12 trials, `rated` with a rating."""
    sys.path.insert(0, str(REPOSITORY / "tests" / "demo" / "study"))
    from study_stand_ins import make_prepared

    root = tmp_path_factory.mktemp("studies")
    both = {"en": "Which is better?", "zh": "哪张更好？"}
    make_prepared(root, trials=12, minimum_view_s=0.05)
    make_prepared(
        root,
        name="rated",
        trials=2,
        catch={"identical": 1, "broken": 0, "repeated": 0},
        questions=[
            {"name": "real", "kind": "rating", "text": both, "low": both, "high": both},
            {"name": "better", "text": both, "shows": "hand", "options": ["left", "right"]},
        ],
        prolific={"completion_code": "C0FFEE42"},
    )
    return root


@pytest.fixture(scope="module")
def store_url(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('store') / 'study.db'}"


@pytest.fixture(scope="module")
def url(serve, studies, store_url):
    """The page as the application mounts it: beside one that names the methods, under its content policy."""
    import gradio as gr
    from starlette.middleware import Middleware

    from demo.middleware import ContentSecurityPolicy
    from demo.study.page import create_study_page

    with gr.Blocks() as blocks:
        gr.Dropdown(["sd", "controlnet", "hand1000"], label="methods")
    page = create_study_page(store_url, TOKEN, studies)
    with blocks.route("Study", "/study", show_in_navbar=False):
        page.render()
    policy = {"middleware": [Middleware(ContentSecurityPolicy)]}
    return serve(blocks, footer_links=[], run_history=False, app_kwargs=policy) + "study"


def on(page, screen: str) -> None:
    page.wait_for_selector(f"[data-screen='{screen}']")


def ready(page) -> None:
    page.wait_for_selector("[data-screen='trial'][data-ready='1']")


def has_focus(page, selector: str) -> bool:
    return page.evaluate("s => document.activeElement.matches(s)", selector)


def tab_to(page, selector: str) -> None:
    for _ in range(20):
        if has_focus(page, selector):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not reach {selector}")


def question(page) -> tuple[str, str]:
    """What changes when an answer has been saved."""
    return page.text_content("#hl-progress"), page.text_content(".counter")


def moved_on(page, before: tuple[str, str]) -> None:
    page.wait_for_function(
        """([progress, counter]) => {
             const root = document.querySelector('.hl-study');
             if (root.dataset.screen !== 'trial') return true;
             const now = [document.querySelector('#hl-progress'), document.querySelector('.counter')];
             const same = now[0]?.textContent === progress && now[1]?.textContent === counter;
             return !same && root.dataset.ready === '1';
           }""",
        arg=list(before),
    )


def violations(page) -> list[str]:
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(
        page, context=".hl-study", options={"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
    )
    return [f"{v['id']}: {v['nodes'][0]['html'][:120]}" for v in found.response["violations"]]


def exported(store_url: str, studies: Path, study: str = "small") -> list[dict[str, str]]:
    from demo.study import export, prepared
    from demo.study.store import Store

    store = Store(store_url)
    data = export.dataset(store, prepared.load(study, studies))
    store.close()
    return list(csv.DictReader(io.StringIO(export.write(data, "csv"))))


def test_twelve_trials_by_keyboard_only(url, visit, studies, store_url):
    """Consent to debriefing without a pointer; then what was pressed is what the export says."""
    one = visit("about:blank")
    page = one.page
    seen: list[str] = []
    page.on("response", lambda response: seen.append(read(response)))
    page.goto(f"{url}?study=small&lang=en")
    on(page, "consent")
    assert violations(page) == []
    tab_to(page, "#hl-agree")
    page.keyboard.press("Space")
    tab_to(page, "button[type=submit]")
    page.keyboard.press("Enter")
    ready(page)
    assert violations(page) == []

    rng, pressed = random.Random(5), []
    while page.get_attribute(".hl-study", "data-screen") != "done":
        if page.get_attribute(".hl-study", "data-screen") == "ready":
            page.keyboard.press("Enter")  # the button has the focus
            ready(page)
        before, key = question(page), rng.choice(list(KEYS))
        page.keyboard.press(key)
        pressed.append(KEYS[key])
        moved_on(page, before)
    assert violations(page) == []
    assert page.text_content("h1") == "Thank you"
    rows = exported(store_url, studies)
    assert [
        row["value"]
        for row in sorted(rows, key=lambda row: (int(row["position"]), row["question"] != "text"))
    ] == pressed
    assert len(rows) == 26
    assert all(int(row["viewed_ms"]) >= 50 for row in rows)

    text = "\n".join(seen)
    assert "questions_total" in text  # the trials were among what was read
    named = [
        name for name in ("controlnet", "hand1000", "item0", ".webp", "identical", "repeated") if name in text
    ]
    assert named == []
    one.check()


def read(response) -> str:
    """A response as text, address included; Gradio's own scripts and fonts by their address only."""
    kind = response.headers.get("content-type", "")
    readable = "json" in kind or "html" in kind
    return f"{response.url}\n{response.text() if readable else ''}"


def test_buttons_wait_for_both_pictures_and_both_zoom_together(url, visit):
    gate = """
      const decode = HTMLImageElement.prototype.decode;
      const gate = new Promise(open => { window.openGate = open; });
      HTMLImageElement.prototype.decode = function () { return gate.then(() => decode.call(this)); };
    """
    one = visit(f"{url}?study=small&lang=en", script=gate)
    page = one.page
    page.check("#hl-agree")
    page.click("button[type=submit]")
    on(page, "trial")
    page.wait_for_timeout(300)
    before = question(page)
    page.keyboard.press("a")
    assert page.locator(".choices button:disabled").count() == 4
    assert question(page) == before
    page.evaluate("window.openGate()")
    ready(page)
    assert page.locator(".choices button:enabled").count() == 4

    def transforms() -> list[str]:
        return page.eval_on_selector_all(".pair img", "images => images.map(image => image.style.transform)")

    page.keyboard.press("+")
    one_step = transforms()
    assert one_step[0] == one_step[1] != "scale(1) translate(0%, 0%)"
    box = page.locator(".pair .frame").nth(1).bounding_box()
    page.mouse.move(box["x"] + 150, box["y"] + 150)
    page.mouse.down()
    page.mouse.move(box["x"] + 90, box["y"] + 110, steps=3)
    page.mouse.up()
    dragged = transforms()
    assert dragged[0] == dragged[1] != one_step[0]
    page.click("text=Whole picture")
    assert set(transforms()) == {"scale(1) translate(0%, 0%)"}

    page.keyboard.press("p")  # pause hides the pictures and takes no answers
    assert page.is_visible("dialog[open]")
    assert not page.is_visible(".pair img")
    page.keyboard.press("b")
    page.wait_for_timeout(100)
    assert page.is_visible("dialog[open]")
    page.keyboard.press("Escape")
    assert question(page) == before
    page.uncheck("#hl-keys")  # single keys can be switched off
    page.keyboard.press("b")
    page.wait_for_timeout(100)
    assert question(page) == before
    one.check()


def test_a_phone_rates_in_chinese_and_leaves(url, visit, studies, store_url):
    one = visit(
        f"{url}?study=rated&lang=zh&PROLIFIC_PID=5f3a8c1e9b0d4c2a7e6f1234", size=PHONE, touch=True, dark=True
    )
    page = one.page
    page.tap(".agree")
    page.tap("button[type=submit]")
    ready(page)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    bottoms = page.eval_on_selector_all(
        ".choices button", "all => all.map(b => b.getBoundingClientRect().bottom)"
    )
    assert max(bottoms) <= PHONE[1]
    while page.get_attribute(".hl-study", "data-screen") != "done":
        if page.get_attribute(".hl-study", "data-screen") == "ready":
            page.tap("button.go")
            ready(page)
        before = question(page)
        page.tap(".choices button >> nth=0")
        moved_on(page, before)
    assert page.text_content(".code strong") == "C0FFEE42"
    rows = exported(store_url, studies, "rated")
    assert sorted((row["question"], row["side"], row["value"]) for row in rows) == sorted(
        3 * [("real", "left", "1"), ("real", "right", "1"), ("better", "", "left")]
    )
    page.tap("text=退出研究并删除我的回答")
    page.tap("text=是的，全部删除")
    on(page, "withdrawn")
    assert exported(store_url, studies, "rated") == []
    one.check()


def test_the_owner_reads_results_and_exports(url, visit):
    one = visit(f"{url}?owner&lang=en")
    page = one.page
    page.fill("#hl-token", "guess")
    page.click("text=Show results")
    assert page.wait_for_selector(".banner:visible").text_content() == "The token is not right."
    page.fill("#hl-token", TOKEN)
    page.click("text=Show results")
    page.select_option("#hl-study-choice", "small")
    page.wait_for_selector(".report table")
    assert violations(page) == []
    with page.expect_download() as download:
        page.click("text=CSV")
    header = Path(download.value.path()).read_text().splitlines()[0]
    assert header.startswith("participant,slot,")
    page.click("summary >> text=Power")
    page.click("text=Calculate")
    assert "77 decided votes" in page.wait_for_selector(".power p").text_content()

    page.goto(f"{url}?lang=en")  # the list of studies leads here, and on to the other language
    page.click("text=For the owner of the study")
    page.click("text=中文")
    page.fill("#hl-token", TOKEN)
    page.click("text=查看结果")
    page.wait_for_selector(".report table")
    assert "按规则排除" in page.text_content(".report")
    assert violations(page) == []
    one.check()


# --- a server of its own, to be killed --------------------------------------------------------------------


class Killable:
    def __init__(self, root: Path, store: str):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        self._command = [
            sys.executable, "-m", "demo.study", "--root", str(root), "serve", "--port", str(self.port),
            "--store", store, "--token", TOKEN,
        ]  # fmt: skip

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, cwd=REPOSITORY, stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(self.url, timeout=5).close()
                return
            except OSError:
                assert self.process.poll() is None, "the server ended by itself"
                time.sleep(0.2)
        raise AssertionError("the server did not start")

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()


def test_two_at_once_and_the_server_killed_in_the_middle(visit, studies, tmp_path):
    store_url = f"sqlite:///{tmp_path / 'study.db'}"
    server = Killable(studies, store_url)
    server.start()
    try:
        people = [
            visit(f"{server.url}?study=small&lang=en").page,
            visit(f"{server.url}?study=small&lang=zh").page,
        ]
        pressed: list[list[str]] = [[], []]
        for page in people:
            page.check("#hl-agree")
            page.click("button[type=submit]")
            ready(page)

        def answer(number: int, key: str, wait: bool = True) -> None:
            page = people[number]
            if page.get_attribute(".hl-study", "data-screen") == "ready":
                page.keyboard.press("Enter")
                ready(page)
            before = question(page)
            page.keyboard.press(key)
            pressed[number].append(KEYS[key])
            if wait:
                moved_on(page, before)

        for key in "abt":
            answer(0, key)
            answer(1, "n")
        server.kill()
        before = question(people[0])
        answer(0, "b", wait=False)  # pressed while there is no server
        people[0].wait_for_selector(".banner:visible")
        server.start()
        moved_on(people[0], before)  # sent again by itself
        people[1].reload()
        ready(people[1])
        for key in "tab":
            answer(1, key)
            answer(0, key)
    finally:
        server.kill()
    rows = exported(store_url, studies)
    by_person: dict[str, list[str]] = {}
    for row in sorted(rows, key=lambda row: (int(row["position"]), row["question"] != "text")):
        by_person.setdefault(row["language"], []).append(row["value"])
    assert by_person == {"en": pressed[0], "zh": pressed[1]}
