"""The ready studies: whole, of the definitions that ship beside them, and found where nobody prepared their own."""

from __future__ import annotations

import hashlib
import json

import pytest

from demo.study import definition, prepared
from demo.study.prepare import version_of
from demo.study.schedule import block


@pytest.fixture(params=definition.names())
def shipped(request):
    return prepared.load(request.param, prepared.SHIPPED)


def test_it_is_of_the_present_definition(shipped):
    """Change the definition and prepare anew: `python -m demo.study --root presets/studies/prepared prepare NAME`."""
    assert shipped.study == definition.load(shipped.study.name)


def test_its_version_is_the_hash_of_what_is_there(shipped):
    raw = json.loads((shipped.folder / "study.json").read_text("utf-8"))
    assert shipped.version == shipped.folder.name == version_of(raw)
    files = sorted((shipped.folder / "pictures").iterdir())
    named = {f for table in (raw["pictures"], raw["broken"]) for row in table.values() for f in row.values()}
    assert {f.name for f in files} == named | set(raw["references"].values())
    for file in files:
        assert file.stem == hashlib.sha256(file.read_bytes()).hexdigest()[:32]


def test_nothing_but_pixels_tells_pictures_apart(shipped):
    """One size in bytes and, where a picture is a method's, in pixels."""
    from PIL import Image

    pictures = [shipped.picture(m, s) for m in shipped.methods for s in shipped.study.stimuli]
    assert len(pictures) == len(shipped.methods) * len(shipped.study.stimuli)
    sizes = {len(p) for p in pictures} | {len(shipped.picture(*k, broken=True)) for k in shipped.breakable}
    assert len(sizes) == 1
    for name in {f for row in shipped.pictures.values() for f in row.values()}:
        with Image.open(shipped.folder / "pictures" / name) as image:
            assert image.size == (shipped.study.size_px,) * 2


def test_a_participant_gets_a_whole_block(shipped):
    trials = block(shipped.design, 0)
    assert len(trials) == shipped.study.trials + 1
    for trial in trials:
        for side, method in (("left", trial.left), ("right", trial.right)):
            assert shipped.picture(method, trial.stimulus, broken=trial.broken == side)


def test_ones_own_preparation_goes_before_the_shipped_one(tmp_path, monkeypatch):
    name = definition.names()[0]
    monkeypatch.setattr(prepared, "ROOT", tmp_path)
    assert name in prepared.names(tmp_path)
    theirs = prepared.load(name, tmp_path)
    own = tmp_path / name / "0123456789abcdef"
    own.mkdir(parents=True)
    raw = json.loads((theirs.folder / "study.json").read_text("utf-8"))
    (own / "study.json").write_text(json.dumps({**raw, "version": own.name}))
    (tmp_path / name / "current").write_text(own.name)
    assert prepared.load(name, tmp_path).folder == own
    assert (
        prepared.load(name, tmp_path, theirs.version).folder == theirs.folder
    )  # who began with it ends with it
