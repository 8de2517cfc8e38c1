"""Files that leave and come back: meshes, recordings, bundles, the gallery."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import trimesh
from fake_engine import CATALOGUE, HAND, SIZE, FakeEngine, result, services

from demo.forms import Settings, check
from demo.gallery import Gallery, Picture, make, scenes_to_make
from demo.measure import Measured
from demo.session import Column, Session
from demo.views import meshes
from demo.views.bundle import read_bundle, scene_meshes, write_bundle
from demo.views.recording import recording
from engine.hand import pose_hand
from engine.hand.gesture import CAMERA
from engine.types import Reconstruction, Request, SamplerSpec, UserError

TITLES = {name: name.upper() for name in CATALOGUE}
SETTINGS = check(
    Settings(
        prompt="a red shirt",
        hands=(HAND,),
        camera=CAMERA,
        methods=("sd", "sesahand"),
        params={"sesahand": {"boost": 0.5}},
    ),
    CATALOGUE,
)


def found(shift=(0.1, 0.0, 0.2)):
    """The asked-for hand, elsewhere and half as large again: the same pose."""
    posed = pose_hand(SETTINGS.hands[0])
    return Reconstruction(
        verts=posed.verts * 1.5 + shift,
        joints=posed.joints * 1.5 + shift,
        hand=HAND,
        camera=CAMERA,
        score=0.9,
        keypoints_px=np.full((21, 2), 20.0),
        faces=posed.faces,
    )


@pytest.fixture
def full():
    """A session with two finished columns, one of them measured."""
    session = Session(settings=SETTINGS)
    for name in SETTINGS.methods:
        session.columns[name] = Column(name)
        plan = CATALOGUE[name].plan(Request(prompt="a red shirt", size=SIZE), boost=0.5)
        session.columns[name].finish(replace(result(plan), previews=(np.zeros((*SIZE, 3), np.uint8),)))
    session.columns["sesahand"].measure(Measured(found(), None, None))
    return session


def test_the_found_hand_lies_on_the_asked_one():
    asked = pose_hand(SETTINGS.hands[0])
    laid = meshes.aligned_mesh("x", found(), SETTINGS.hands[0], (1, 2, 3))
    assert np.abs(laid.verts - asked.verts).max() < 1e-9


def test_glb_has_both_hands_upright_and_see_through(full):
    scene = trimesh.load(io.BytesIO(meshes.glb(scene_meshes(full, TITLES))), file_type="glb")
    assert sorted(scene.geometry) == ["asked-for-sesahand", "sesahand"]
    asked = pose_hand(SETTINGS.hands[0])
    verts = scene.geometry["asked-for-sesahand"].vertices
    order = np.argsort(asked.verts[:, 1])  # OpenCV's y points down, glTF's up
    assert verts[order[0], 1] > verts[order[-1], 1]
    assert scene.geometry["asked-for-sesahand"].visual.material.baseColorFactor[3] < 255


def test_five_hands_stand_in_two_rows_and_touch_nowhere(full):
    for name in ("a", "b", "c", "d"):
        full.columns[name] = full.columns["sesahand"]
    pairs = [
        mesh
        for mesh in scene_meshes(full, {**TITLES, "a": "A", "b": "B", "c": "C", "d": "D"})
        if "asked" in mesh.name
    ]
    low, high = (np.stack([at(mesh.verts[:, :2], 0) for mesh in pairs]) for at in (np.min, np.max))
    assert len({tuple(np.round(corner, 6)) for corner in low}) == 5
    assert [len({round(float(v), 6) for v in low[:, axis]}) for axis in (0, 1)] == [3, 2]
    for i in range(5):
        for j in range(i):
            assert (low[i] > high[j]).any() or (low[j] > high[i]).any()


def test_obj_counts_from_one():
    mesh = meshes.NamedMesh("m", np.eye(3), np.array([[0, 1, 2]]), (0, 0, 0))
    text = meshes.obj(mesh)
    assert "f 1 2 3" in text
    assert text.count("\nv ") == 3


def test_the_recording_has_every_entity(full):
    data = recording(full, TITLES)
    for entity in ("asked/asked-right", "methods/sesahand/hand", "methods/sd/camera/picture", "keypoints"):
        assert entity.encode() in data
    assert b"methods/sd/hand" not in data  # none was found there


def test_a_bundle_comes_back_bit_for_bit(full):
    settings, results = read_bundle(write_bundle(full, TITLES), CATALOGUE)
    assert settings == SETTINGS
    for got in results:
        made = full.columns[got.plan.method].result
        assert got.plan == made.plan
        assert got.plan.key("x") == made.plan.key("x")
        assert np.array_equal(got.image, made.image)
        assert np.array_equal(got.heat, made.heat)
        assert np.array_equal(got.heat_steps, made.heat_steps)
        assert got.heat_sites.keys() == made.heat_sites.keys()
        assert (got.words, got.hand_words, got.text_parts) == (made.words, made.hand_words, made.text_parts)
        assert np.array_equal(got.hints["mesh"], made.hints["mesh"])
        assert (got.self_map is None) == (made.self_map is None)


def test_a_bundle_holds_what_it_promises(full):
    with zipfile.ZipFile(io.BytesIO(write_bundle(full, TITLES))) as archive:
        names = set(archive.namelist())
        index = json.loads(archive.read("handlab.json"))
    assert {"pose.json", "asked-right.obj", "scene.glb", "scene.rrd", "sesahand/hand.obj"} <= names
    assert {f"sd/{n}" for n in ("image.png", "attention.png", "hint-mesh.png", "heat.npz")} <= names
    assert index["methods"][0]["plan"]["type"] == "Plan"


def test_nothing_made_nothing_to_download(session):
    with pytest.raises(UserError, match="Generate first"):
        write_bundle(session, TITLES)


def zipped(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a zip at all",
        zipped({}),
        zipped({"handlab.json": "[]"}),
        zipped({"handlab.json": "{}"}),
        zipped({"handlab.json": json.dumps({"settings": {}, "methods": [{"method": "sd"}]})}),
        zipped(
            {
                "handlab.json": json.dumps(
                    {"settings": {}, "methods": [{"method": "sd", "plan": {"type": "HandPose"}}]}
                )
            }
        ),
        zipped({"handlab.json": b"\x00" * (300 << 20)}),
    ],
    ids=["empty", "text", "no files", "list", "no keys", "no plan", "not a plan", "bomb"],
)
def test_a_foreign_zip_is_refused_with_a_sentence(data):
    with pytest.raises(UserError):
        read_bundle(data, CATALOGUE)


def test_a_cut_zip_is_refused(full):
    data = write_bundle(full, TITLES)
    with pytest.raises(UserError):
        read_bundle(data[: len(data) // 2], CATALOGUE)


def test_the_gallery_is_made_and_read_back(tmp_path, unread):
    engine = FakeEngine()
    world = services(tmp_path, engine)
    wanted = list(
        scenes_to_make(world.gestures, ["a", "b"], ("sd", "absent", "sesahand"), 3, SamplerSpec(steps=2))
    )
    assert [(s.gesture, s.prompt, s.seed) for s in wanted] == [
        ("ok", "a", 1),
        ("fist", "b", 2),
        ("ok", "a", 3),
    ]
    folder = tmp_path / "gallery"
    assert make(engine, CATALOGUE, wanted, folder) == 9
    gallery = Gallery(CATALOGUE, folder)
    scene = gallery.scenes["ok-001"]
    assert scene.settings == world.completed(check(wanted[0], CATALOGUE))
    shown = gallery.image(scene.pictures[0])
    made = engine.result(engine.plan("sd", scene.settings.request(SIZE, engine.profile.sampler))).image
    assert np.abs(shown.astype(int) - made).mean() < 6  # WebP
    assert len(list(gallery.pictures)) == 9


def test_a_gallery_without_pictures_is_empty(tmp_path):
    assert Gallery(CATALOGUE, tmp_path / "none").scenes == {}


@pytest.mark.parametrize(
    ("error", "floor", "verdict"),
    [
        (None, 5.0, "none"),
        (6.0, None, "close"),
        (30.0, 5.0, "far"),
        (18.0, 20.0, "close"),  # the instrument itself does no better here
    ],
)
def test_failures_are_marked(error, floor, verdict):
    picture = Picture(method="sd", file="x", error_mm=error, floor_mm=floor, seconds=1.0)
    assert picture.verdict == verdict
