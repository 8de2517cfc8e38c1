"""A whole evaluation of the toy world: real detector, real tables, methods with known faults."""

from __future__ import annotations

import dataclasses
import json

import pytest

from engine.evaluate import attributes, commands, run
from engine.evaluate.gestures import GestureClassifier
from engine.evaluate.reading import Reading
from engine.evaluate.run import Settings
from engine.evaluate.suites import CEILING, CHANCE, STRUCTURE, STUDIES, YARDSTICKS, Variant, variants
from engine.methods import METHODS
from engine.types import UserError
from tests.engine.evaluate.toy_engine import ToyEngine

BY_NAME = {variant.name: variant for variant in YARDSTICKS}
PERFECT = Variant(name="perfect", title="Perfect", method="perfect")
HANDLESS = Variant(name="handless", title="Handless", method="handless")
FUSSY = Variant(name="fussy", title="Fussy", method="fussy")
ABSENT = Variant(name="absent", title="Absent", method="absent")


@pytest.fixture
def settings(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr("engine.engine.Engine", ToyEngine)
    monkeypatch.setattr("engine.methods.METHODS", dict.fromkeys(("perfect", "handless", "fussy", "absent")))
    monkeypatch.setattr(ToyEngine, "made", [])
    monkeypatch.setattr(run, "through_autoencoder", lambda engine, image: image)
    return Settings(profile="toy", data=corpus, out=tmp_path / "out", n=4)


@pytest.fixture
def unread(settings, monkeypatch):
    """The settings, with a reader that does not look: for tests of what is made, not of what is seen."""
    nothing = Reading(detections=(), confidences=(), hands=(), shirt="red", wall="grey")
    monkeypatch.setattr(run, "read_picture", lambda image, case: nothing)
    return settings


@pytest.fixture
def networks(tmp_path, monkeypatch):
    """The two small networks, trained on next to nothing: what they say is not tested here."""
    import numpy as np

    from engine.evaluate import gestures

    rng = np.random.default_rng(0)
    gestures.train(rng.normal(size=(8, 120)), ["palm", "stop"] * 4, epochs=1).save(tmp_path / "g.safetensors")
    attributes.save(attributes.AttributeNet({"wall": ["grey", "green"]}).eval(), tmp_path / "a.safetensors")
    monkeypatch.setattr(commands, "GESTURES", tmp_path / "g.safetensors")
    monkeypatch.setattr(commands, "ATTRIBUTES", tmp_path / "a.safetensors")
    return commands.Networks()


def test_the_table_tells_the_methods_apart(settings, networks, tmp_path):
    tables = commands.evaluate(STRUCTURE, [PERFECT, HANDLESS, FUSSY, ABSENT], settings, networks)
    rows = {row.name: row for row in tables[0].rows}
    assert list(rows) == [
        "perfect", "handless", "fussy", "renders", "autoencoder", "shuffled", "floor",
    ]  # fmt: skip
    assert rows["autoencoder"].cells["psnr"].value > 60
    assert "psnr" not in rows["renders"].cells
    assert rows["perfect"].cells["detected"].value == rows["renders"].cells["detected"].value == 1.0
    assert rows["handless"].cells["detected"].value == 0.0
    assert rows["perfect"].cells["shirt"].value == rows["handless"].cells["shirt"].value == 1.0
    assert rows["shuffled"].cells["wall"].value < 1.0
    assert rows["perfect"].cells["error_2d"].value < rows["shuffled"].cells["error_2d"].value
    assert rows["perfect"].cells["frechet"].value < rows["handless"].cells["frechet"].value
    assert rows["floor"].cells["frechet_h"].n == 4
    assert "frechet" not in rows["shuffled"].cells  # the same pictures in another order
    assert [row.n for row in rows.values()] == [4, 4, 2, 4, 4, 4, 4]
    assert rows["fussy"].note == "2 of 4 cases refused: Only right hands."
    assert rows["perfect"].cells["seconds"].value == 0.5
    assert "Absent left out: The weights 'absent' are not here." in tables[0].note
    assert [t.name for t in tables[1:]] == [
        "structure-detected-by-size", "structure-error_2d-by-size", "structure-by-gesture",
    ]  # fmt: skip
    commands.write(tables, STRUCTURE, settings, "toy-structure", tmp_path)
    data = json.loads((tmp_path / "toy-structure.json").read_text())
    assert data["facts"]["profile"] == "toy"
    commands.sheet(STRUCTURE, [PERFECT, ABSENT], settings, tmp_path / "toy.webp")
    assert (tmp_path / "toy.webp").stat().st_size > 1000


def test_a_second_run_makes_only_what_is_missing(unread):
    folder = run.folder_of(STRUCTURE, PERFECT, unread)
    run.run(STRUCTURE, [PERFECT], unread)
    assert len(ToyEngine.made) == 4
    path = folder / "rows-0.jsonl"
    path.write_bytes(path.read_bytes()[:-30])  # killed while the last row was written
    assert len(run.finished(folder)) == 3
    run.run(STRUCTURE, [PERFECT], unread)
    assert len(ToyEngine.made) == 5
    assert [row.case for row in run.finished(folder).values()] == [0, 1, 2, 3]
    run.run(STRUCTURE, [PERFECT], unread)
    assert len(ToyEngine.made) == 5


def test_another_plan_is_made_anew_and_counts(unread):
    """More steps: other keys. The newest row of a case is the one that is read, whichever file it is in."""
    run.work(STRUCTURE, [HANDLESS], dataclasses.replace(unread, n=2), 0, 1)
    folder = run.folder_of(STRUCTURE, HANDLESS, unread)
    (folder / "rows-0.jsonl").rename(folder / "rows-7.jsonl")
    more = dataclasses.replace(unread, n=2, steps=9)
    run.run(STRUCTURE, [HANDLESS], more)
    assert len(ToyEngine.made) == 4
    assert {row.key for row in run.finished(folder).values()} == {f"handless {i} 9 {{}}" for i in range(2)}


def test_made_pictures_teach_the_downstream_network(unread):
    from engine.evaluate.downstream import evaluated_crops

    run.run(STRUCTURE, [PERFECT], unread)
    crops = evaluated_crops(unread, STRUCTURE, "perfect")
    assert len(crops) == sum(len(case.hands) for case in run.suite_cases(STRUCTURE, unread))
    with pytest.raises(UserError, match="no hands"):
        evaluated_crops(unread, STRUCTURE, "handless")  # not made


def test_workers_share_the_cases(unread):
    run.work(STRUCTURE, [HANDLESS], unread, 1, 2)
    folder = run.folder_of(STRUCTURE, HANDLESS, unread)
    assert sorted(run.finished(folder)) == [1, 3]
    run.work(STRUCTURE, [HANDLESS], unread, 0, 2)
    assert sorted(run.finished(folder)) == [0, 1, 2, 3]
    assert len(ToyEngine.made) == 4


def test_yardsticks_are_the_renders(unread):
    run.run(STRUCTURE, YARDSTICKS, unread)
    ceiling = run.finished(run.folder_of(STRUCTURE, BY_NAME[CEILING], unread))
    chance = run.finished(run.folder_of(STRUCTURE, BY_NAME[CHANCE], unread))
    assert len(ceiling) == 8  # as many again, for the floor
    assert ceiling[3].key == "render 3"
    assert (chance[2].key, chance[3].key) == ("render 3", "render 0")
    assert ToyEngine.made == []


def test_too_small_a_corpus_halves_the_floor(unread):
    eight = dataclasses.replace(unread, n=8)  # the corpus has ten
    run.run(STRUCTURE, YARDSTICKS, eight)
    _, others = commands.collect(STRUCTURE, YARDSTICKS, eight)
    assert [case.index for case in others.cases] == [4, 5, 6, 7]


def test_suites_name_methods_that_exist_or_will():
    chosen = variants(STRUCTURE)
    assert [v.method for v in chosen] == [m for m in STRUCTURE.methods if m in METHODS]
    assert {"sd", "controlnet", "sesahand"} <= {v.method for v in chosen}
    with pytest.raises(UserError, match="Unknown methods"):
        variants(STRUCTURE, ["nonsense"])


def test_the_autoencoder_row_is_the_shipped_one():
    """Through the tiny profile's: another picture, and the error that its PSNR says."""
    import numpy as np

    from engine.engine import Engine

    image = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    coded = run.through_autoencoder(Engine("tiny"), image)
    assert coded.shape == image.shape
    assert (coded != image).any()
    assert run.psnr_db(image, image) > 100
    assert run.psnr_db(image, 255 - image) == pytest.approx(
        20 * np.log10(255 / np.sqrt(np.mean((2.0 * image - 255) ** 2)))
    )


@pytest.mark.parametrize("study", STUDIES.values(), ids=STUDIES)
def test_studies_use_parameters_that_methods_have(study):
    names = [v.name for v in study.variants]
    assert study.reference in names
    assert len(set(names)) == len(names)
    for variant in (v for v in study.variants if v.method in METHODS):
        params = {p.name: p for p in METHODS[variant.method].params}
        for name, value in variant.params.items():
            assert value in params[name].choices or params[name].kind in ("float", "bool")


def test_classifier_facts_are_in_the_file(tmp_path):
    import numpy as np
    from safetensors import safe_open

    from engine.evaluate import gestures

    path = tmp_path / "g.safetensors"
    gestures.train(np.random.default_rng(0).normal(size=(4, 120)), list("abab"), epochs=1).save(
        path, {"x": 0.5}
    )
    with safe_open(str(path), "np") as file:
        assert json.loads(file.metadata()["facts"]) == {"x": 0.5}
    assert GestureClassifier.load(path).classes == ("a", "b")
