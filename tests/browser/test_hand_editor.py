"""The hand editor in a real browser: what a person does to it, and what Python then holds."""

from __future__ import annotations

import json
import time

import gradio as gr
import numpy as np
import pytest

from demo.components.hand_editor import HandEditor
from demo.components.hand_editor_value import EditorValue, parse
from engine.hand import anatomy
from engine.hand.gesture import load_gestures
from engine.hand.model import pose_hand
from engine.types import HandPose

pytestmark = pytest.mark.browser

WINDOW, PHONE = (900, 800), (390, 844)  # (width, height) px
NO_WEBGL = "HTMLCanvasElement.prototype.getContext = () => null;"
INDEX = slice(0, 9)  # of hand_pose: MANO's joints 1 to 3


class Screen:
    """A page with an editor, and what Python received from it."""

    def __init__(self, page, received: list[EditorValue]):
        self.page = page
        self.received = received
        page.wait_for_selector("#editor [data-ready], #editor[data-ready]", state="attached")
        self.call("() => 0")

    def call(self, function: str, argument=None):
        """`function(handles, argument)` in the page, with everything drawn before and after."""
        return self.page.evaluate(
            f"""async (argument) => {{
                const handles = document.querySelector('#editor .hand-editor-host').__hand;
                await handles.settled();
                const result = await ({function})(handles, argument);
                await handles.settled();
                return result;
            }}""",
            argument,
        )

    def value(self) -> EditorValue:
        return parse(self.call("(h) => JSON.parse(JSON.stringify(h.getValue()))"))

    def show(self, value: EditorValue) -> None:
        """As if Python had sent it."""
        self.call("(h, value) => h.setValue(value)", value.to_json())

    def at(self, finger: str, joint: int | None = None, hand: int = 0) -> tuple[float, float]:
        spot = self.call("(h, part) => h.screenOf(part)", {"hand": hand, "finger": finger, "joint": joint})
        return spot["x"], spot["y"]

    def drag(self, start: tuple[float, float], by: tuple[float, float]) -> EditorValue:
        """By the mouse; returns what Python received."""
        mouse = self.page.mouse
        with self.commit() as received:
            mouse.move(*start)
            mouse.down()
            mouse.move(start[0] + by[0] / 2, start[1] + by[1] / 2)
            mouse.move(start[0] + by[0], start[1] + by[1])
            mouse.up()
        return received()

    def commit(self):
        return _Commit(self)

    def button(self, name: str):
        return self.page.get_by_role("button", name=name, exact=True)


class _Commit:
    """with screen.commit() as received: one edit ...; received() is the EditorValue that Python got of it."""

    def __init__(self, screen: Screen):
        self.screen = screen

    def __enter__(self):
        self.before = len(self.screen.received)
        return lambda: self.screen.received[-1]

    def __exit__(self, kind, error, trace):
        deadline = time.monotonic() + 20
        while kind is None and len(self.screen.received) == self.before:
            assert time.monotonic() < deadline, "Python heard nothing of the edit"
            self.screen.page.wait_for_timeout(20)


@pytest.fixture(scope="module")
def gestures():
    return load_gestures()


@pytest.fixture(scope="module")
def received() -> list[EditorValue]:
    return []


@pytest.fixture(scope="module")
def url(serve, gestures, received):
    def preview(value: EditorValue):
        yield "Sides", np.full((40, 60, 3), 90 * len(value.hands), np.uint8)

    with gr.Blocks(analytics_enabled=False) as blocks:
        editor = HandEditor(
            EditorValue.of_gesture(gestures["palm"]), gestures=gestures, preview=preview, elem_id="editor"
        )
        editor.commit(received.append, editor, None, queue=False, trigger_mode="always_last")
        peace = gr.Button("Python says peace")
        peace.click(lambda: EditorValue.of_gesture(gestures["peace"]), None, editor, queue=False)
    return serve(blocks)


@pytest.fixture(scope="module")
def opened(visit, url):
    return visit(url, size=WINDOW)


@pytest.fixture
def screen(opened, received, gestures) -> Screen:
    """The one desktop page, showing the open palm again."""
    screen = Screen(opened.page, received)
    screen.show(EditorValue.of_gesture(gestures["palm"]))
    screen.call("(h) => h.editor.select({ hand: 0, finger: 'index', joint: null })")
    opened.page.evaluate("window.scrollTo(0, 0)")
    opened.page.mouse.move(2, 2)
    yield screen
    opened.check()


def random_value(gestures, seed: int, side: str) -> EditorValue:
    rng = np.random.default_rng(seed)
    hand = HandPose(
        side=side,
        global_orient=tuple(rng.normal(size=3)),
        hand_pose=tuple(anatomy.clamp(rng.normal(size=45) * 0.6, side)),
        betas=tuple(rng.normal(size=10)),
        transl=tuple(rng.normal(size=3) * 0.05 + (0, 0, 0.6)),
    )
    return EditorValue(hands=(hand,), camera=gestures["palm"].camera, active=side)


# --- the same hand on both sides ----------------------------------------------------------------------


@pytest.mark.parametrize("side", ["right", "left"])
def test_the_browser_poses_the_model_of_python(screen, gestures, side):
    for seed in range(3):
        value = random_value(gestures, seed, side)
        screen.show(value)
        verts = np.reshape(screen.call("(h) => h.verts()"), (-1, 3))
        assert np.abs(verts - pose_hand(value.hands[0]).verts).max() < 1e-6


@pytest.mark.parametrize("side", ["right", "left"])
def test_angles_are_those_of_python(screen, gestures, side):
    value = random_value(gestures, 5, side)
    screen.show(value)
    angles = screen.call("(h) => Array.from({ length: 15 }, (_, j) => h.editor.hand.angles(j + 1))")
    assert np.allclose(angles, anatomy.to_anatomy(value.hands[0].hand_pose, side), atol=1e-6)


def test_handles_stand_where_the_camera_sees_the_joints(screen, gestures):
    camera, hand = gestures["palm"].camera, pose_hand(gestures["palm"].hand)
    x, y, z = hand.joints[8]  # the index fingertip
    frame = screen.call("(h) => ({ ...h.stage.frame })")
    box = screen.page.locator(".viewport").bounding_box()
    u = box["x"] + frame["left"] + frame["scale"] * (camera.K[0][0] * x / z + camera.K[0][2])
    v = box["y"] + frame["top"] + frame["scale"] * (camera.K[1][1] * y / z + camera.K[1][2])
    assert np.allclose(screen.at("index"), (u, v), atol=0.5)


# --- Python to browser and back -----------------------------------------------------------------------


def test_a_preset_from_python_shows_and_is_not_echoed(screen, gestures, received):
    before = len(received)
    screen.button("Python says peace").click()
    screen.page.wait_for_function(
        "() => document.querySelector('#editor .hand-editor-host').__hand.getValue().gesture === 'peace'"
    )
    assert screen.value().hands == parse(EditorValue.of_gesture(gestures["peace"]).to_json()).hands
    screen.page.wait_for_timeout(200)
    assert len(received) == before


def test_numbers_survive_the_round_trip(screen, gestures):
    value = random_value(gestures, 9, "left")
    screen.show(value)
    with screen.commit() as received:
        screen.button("Mirror").click()
        screen.button("Mirror").click()
    screen.page.wait_for_timeout(300)
    for name in ("global_orient", "hand_pose", "betas", "transl"):
        sent, back = getattr(value.hands[0], name), getattr(received().hands[0], name)
        assert np.allclose(sent, back, atol=2e-9)
    assert received().hands[0].side == "left"


# --- pointing -----------------------------------------------------------------------------------------


def test_dragging_a_fingertip_bends_that_finger_within_its_limits(screen, gestures, received):
    start, count = screen.at("index"), len(received)
    value = screen.drag(start, (6, 90))
    assert len(received) == count + 1  # once, on release
    assert not value.notices  # nothing for the server to correct
    assert value.edited
    assert value.gesture == "palm"
    assert np.hypot(*np.subtract(screen.at("index"), np.add(start, (6, 90)))) < 4

    before, after = np.array(gestures["palm"].hand.hand_pose), np.array(value.hands[0].hand_pose)
    assert np.abs(after - before)[INDEX].max() > 0.3
    assert np.allclose(np.delete(after, INDEX), np.delete(before, INDEX), atol=1e-9)
    bends = anatomy.to_anatomy(after)[:3, 0]
    assert (bends > 0.2).all()  # the whole finger curls
    assert anatomy.is_valid(after)


def test_pulling_beyond_reach_stops_at_the_limits(screen):
    value = screen.drag(screen.at("middle", 5), (200, -10))
    assert anatomy.is_valid(value.hands[0].hand_pose)
    spread = anatomy.to_anatomy(value.hands[0].hand_pose)[3, 1]
    assert spread == pytest.approx(anatomy.LIMITS[3, 1, 1], abs=1e-6)


def test_undo_and_redo(screen, gestures):
    dragged = screen.drag(screen.at("ring"), (0, 60))
    with screen.commit() as received:
        screen.page.keyboard.press("Control+z")
    assert received().hands == parse(EditorValue.of_gesture(gestures["palm"]).to_json()).hands
    assert not received().edited
    with screen.commit() as received:
        screen.page.keyboard.press("Control+Shift+Z")
    assert received() == dragged


def test_an_arc_turns_one_angle(screen):
    screen.call("(h) => h.editor.select({ finger: 'index', joint: 2 })")
    spot = screen.call("(h) => h.arcOf('bend', 0.7)")
    start, end = ((spot[name]["x"], spot[name]["y"]) for name in ("from", "to"))
    value = screen.drag(start, np.subtract(end, start))
    angles = anatomy.to_anatomy(value.hands[0].hand_pose)
    assert angles[1, 0] == pytest.approx(0.7, abs=0.25)
    assert np.allclose(np.delete(angles, 1, axis=0), 0, atol=0.3)


def test_dragging_the_palm_moves_and_the_space_beside_it_turns(screen, gestures):
    box = screen.page.locator(".viewport").bounding_box()
    moved = screen.drag(screen.at("wrist"), (40, 10)).hands[0]
    palm = gestures["palm"].hand
    assert moved.transl[0] > palm.transl[0] + 0.01
    assert moved.global_orient == pytest.approx(palm.global_orient, abs=1e-8)
    turned = screen.drag((box["x"] + 12, box["y"] + 12), (40, 0)).hands[0]
    assert np.linalg.norm(np.subtract(turned.global_orient, moved.global_orient)) > 0.1
    assert turned.hand_pose == moved.hand_pose


# --- panel --------------------------------------------------------------------------------------------


def test_a_slider_sets_degrees(screen):
    with screen.commit() as received:
        screen.page.get_by_role("slider", name="Index, Middle bend").fill("40")
        screen.page.get_by_role("slider", name="Index, Middle bend").dispatch_event("change")
    angles = np.degrees(anatomy.to_anatomy(received().hands[0].hand_pose))
    assert angles[1, 0] == pytest.approx(40, abs=1e-6)


def test_mirror_gives_the_other_hand(screen, gestures):
    with screen.commit() as received:
        screen.button("Mirror").click()
    expected, got = anatomy.mirror(gestures["palm"].hand), received().hands[0]
    assert got.side == "left"
    assert got.hand_pose == pytest.approx(expected.hand_pose, abs=1e-8)
    assert got.transl == pytest.approx(expected.transl, abs=1e-8)


def test_two_hands_fit_the_picture_and_each_can_be_dragged(screen, gestures):
    with screen.commit() as received:
        screen.button("Both").click()
    value = received()
    assert [hand.side for hand in value.hands] == ["right", "left"]
    K = np.array(value.camera.K)
    for hand in value.hands:
        px = pose_hand(hand).verts @ K.T
        px = px[:, :2] / px[:, 2:]
        assert px.min() > 0
        assert px.max() < value.camera.width_px
    dragged = screen.drag(screen.at("index", hand=1), (0, 40))
    assert dragged.active == "left"
    assert dragged.hands[0] == value.hands[0]
    assert anatomy.to_anatomy(dragged.hands[1].hand_pose, "left")[0, 0] > 0.2
    with screen.commit() as received:
        screen.button("Left").click()
    assert [hand.side for hand in received().hands] == ["left"]


@pytest.mark.parametrize("side", ["Right", "Left"])
def test_random_poses_keep_the_limits(screen, side):
    if side == "Left":
        with screen.commit():
            screen.button(side).click()
    with screen.commit() as received:
        screen.button("Random pose").click()
    (hand,) = received().hands
    assert hand.side == side.lower()
    assert anatomy.is_valid(hand.hand_pose, hand.side)
    assert not received().notices
    assert np.abs(hand.hand_pose).max() > 0.1


def test_blending_reaches_both_ends(screen, gestures):
    screen.page.get_by_text("Blend two gestures").click()
    screen.page.get_by_label("To", exact=True).select_option("fist")
    slider = screen.page.get_by_role("slider", name="Blend")
    for share, end in (("100", "fist"), ("0", "palm")):
        with screen.commit() as received:
            slider.fill(share)
            slider.dispatch_event("change")
        assert received().hands[0].hand_pose == pytest.approx(gestures[end].hand.hand_pose, abs=1e-6)
    screen.page.get_by_text("Blend two gestures").click()


def test_a_pose_is_saved_and_loaded_and_a_wrong_file_refused(screen, tmp_path):
    dragged = screen.drag(screen.at("thumb"), (-30, 10))
    saved = {}
    for form in ("json", "mano", "openpose"):
        with screen.page.expect_download() as download:
            screen.page.get_by_label("Save the pose").select_option(form)
        saved[form] = tmp_path / download.value.suggested_filename
        download.value.save_as(saved[form])
    file = saved["json"]
    assert parse(json.loads(file.read_text())).hands == dragged.hands

    with screen.commit():
        screen.button("Undo").click()
    chooser = screen.page.locator("input[type=file]")
    with screen.commit() as received:
        chooser.set_input_files(file)
    assert received().hands == dragged.hands
    for form in ("mano", "openpose"):  # the server reads these
        with screen.commit():
            screen.button("Undo").click()
        with screen.commit() as received:
            chooser.set_input_files(saved[form])
        near = 1e-5 if form == "mano" else 0.6  # from 21 points of a picture: rad, at worst
        assert received().hands[0].hand_pose == pytest.approx(dragged.hands[0].hand_pose, abs=near)
    last = screen.value().hands
    file.write_text('{"hands": []}')
    chooser.set_input_files(file)
    screen.page.get_by_text("A pose holds one or two hands.").wait_for()
    assert screen.value().hands == last


def test_pictures_from_the_server_follow_every_edit(screen):
    picture = screen.page.get_by_role("img", name="Sides")
    picture.wait_for()
    one = picture.get_attribute("src")
    screen.button("Both").click()
    screen.page.wait_for_function(
        "(src) => document.querySelector('#editor .hand-editor-host').shadowRoot"
        ".querySelector('.previews img').src !== src",
        arg=one,
    )


# --- keyboard -----------------------------------------------------------------------------------------


def test_keyboard_alone(screen):
    keys = screen.page.keyboard
    screen.page.get_by_role("button", name="Right hand, Index", exact=True).focus()
    keys.press("Enter")  # its joints come next
    for _ in range(2):
        keys.press("Tab")
    assert "Middle joint" in screen.page.evaluate(
        "document.querySelector('#editor .hand-editor-host').shadowRoot.activeElement.ariaLabel"
    )
    straight = middle_bend(screen.value())
    with screen.commit() as received:
        for _ in range(10):
            keys.press("ArrowDown")
    assert middle_bend(received()) == pytest.approx(straight + 20, abs=0.01)
    focused = "document.querySelector('#editor .hand-editor-host').shadowRoot.activeElement"
    assert screen.page.evaluate(f"getComputedStyle({focused}).outlineWidth") == "3px"  # the focus shows
    with screen.commit() as received:
        keys.press("Control+z")
    assert middle_bend(received()) == pytest.approx(straight, abs=0.01)


def middle_bend(value: EditorValue) -> float:
    """Of the index finger's middle joint, degrees."""
    return float(np.degrees(anatomy.to_anatomy(value.hands[0].hand_pose))[1, 0])


# --- speed --------------------------------------------------------------------------------------------


def test_a_frame_of_dragging_leaves_time_at_60_hz(screen):
    """What the page itself computes: the pull, the skin, the handles. Drawing is the graphics card's."""
    median = screen.call(
        """(h) => {
            const times = [];
            const drag = h.hold('index');
            for (let i = 0; i < 40; i++) {
                const began = performance.now();
                drag(Math.sin(i / 5) * 30, 40 + Math.cos(i / 5) * 30);
                h.stage.vertsOf(h.editor.hand);
                h.stage.onFrame();
                times.push(performance.now() - began);
            }
            return times.sort((a, b) => a - b)[20];
        }"""
    )
    assert median < 1000 / 60


# --- other visitors -----------------------------------------------------------------------------------


def test_on_a_phone_in_chinese(visit, url, received, gestures):
    one = visit(url, size=PHONE, touch=True)
    screen = Screen(one.page, received)
    overflow = one.page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert overflow <= 0
    one.page.evaluate("document.documentElement.lang = 'zh'")
    one.page.get_by_role("button", name="双手", exact=True).wait_for()

    x, y = screen.at("index")
    touch = one.page.context.new_cdp_session(one.page)
    with screen.commit() as got:
        for kind, dy in (("touchStart", 0), ("touchMove", 20), ("touchMove", 40), ("touchEnd", None)):
            points = [] if dy is None else [{"x": x, "y": y + dy}]
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert anatomy.to_anatomy(got().hands[0].hand_pose)[0, 0] > 0.2
    one.check()
    one.close()


def test_without_webgl_a_sentence_says_what_to_do(visit, url):
    one = visit(url, script=NO_WEBGL)
    one.page.get_by_text("This browser has no WebGL 2").wait_for()
    one.check()
    one.close()


@pytest.mark.parametrize("dark", [False, True])
def test_nothing_serious_for_axe(screen, dark):
    from axe_playwright_python.sync_playwright import Axe

    screen.page.evaluate("(dark) => document.body.classList.toggle('dark', dark)", dark)
    screen.page.wait_for_timeout(200)  # transitions of colours
    results = Axe().run(screen.page, context="#editor")
    screen.page.evaluate("document.body.classList.remove('dark')")
    serious = [v for v in results.response["violations"] if v["impact"] in ("serious", "critical")]
    assert not serious, json.dumps(serious, indent=1)[:3000]
