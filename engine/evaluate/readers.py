"""Trains the two small networks that evaluation reads pictures with, on the corpus: attributes and gestures.

Both report their accuracy on the validation split, which neither training nor the tables touch.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from engine.evaluate.cases import Case, load_cases
from engine.types import Side

if TYPE_CHECKING:
    from engine.evaluate.attributes import Examples

logger = logging.getLogger(__name__)

FOLDER = Path("assets/weights/embedded/attributes")
ATTRIBUTES = FOLDER / "attributes.safetensors"
GESTURES = FOLDER / "gestures.safetensors"
READ = ("shirt", "pattern", "wall", "place", "hair", "hat", "glasses", "gender", "age", "side", "gesture")


def train_attributes(
    data: Path, *, n: int, held_out: int, epochs: int, out: Path = ATTRIBUTES
) -> dict[str, float]:
    """From `n` training pictures and their hand crops; accuracy an attribute on `held_out` validation
    pictures.
    """
    from engine.evaluate import attributes

    cases = load_cases(data, n, split="train")
    classes = {
        name: sorted({case.attributes[name] for case in cases if name in case.attributes}) for name in READ
    }
    classes = {name: values for name, values in classes.items() if len(values) > 1}
    logger.info("%d pictures, %s", len(cases), {name: len(values) for name, values in classes.items()})
    net = attributes.train(_examples(cases, classes, crops=True), classes, epochs=epochs)
    attributes.save(net, out)
    val = _examples(load_cases(data, held_out, split="val"), classes, crops=False)
    val = attributes.with_fault_labels(val, np.random.default_rng(0))
    return attributes.accuracy(attributes.load(out), val)


def _examples(cases: Sequence[Case], classes: dict[str, list[str]], *, crops: bool) -> Examples:
    """Whole pictures and, with `crops`, a crop around each first hand, which shows its side and gesture
    only.
    """
    from engine.evaluate.attributes import INPUT_PX, ON_CROPS, Examples, encode_labels
    from engine.evaluate.crops import crop, square_box
    from engine.hand import pose_hand
    from engine.image import resize
    from engine.render import keypoints_px

    images = [resize(case.image, (INPUT_PX, INPUT_PX)) for case in cases]
    rows = [{**case.attributes, "wall": case.told("wall") or ""} for case in cases]
    for case in cases if crops else ():
        box = square_box(keypoints_px(pose_hand(case.hands[0]), case.camera))
        images.append(crop(case.image, box, INPUT_PX))
        rows.append({name: case.attributes[name] for name in ON_CROPS if name in case.attributes})
    return Examples(np.stack(images), encode_labels(rows, classes))


def train_gestures(data: Path, *, n: int, held_out: int, out: Path = GESTURES) -> dict[str, float]:
    """From the hands detected in `n` training pictures; accuracy on those detected in `held_out` validation
    ones.
    """
    from engine.evaluate import gestures

    hands, labels = _detected(load_cases(data, n, split="train"))
    features = np.stack([gestures.landmark_features(*hand) for hand in hands])
    classifier = gestures.train(features, labels)
    val_hands, val_labels = _detected(load_cases(data, held_out, split="val"))
    facts = {"held_out_accuracy": gestures.accuracy(classifier, val_hands, val_labels)}
    classifier.save(out, facts)
    return facts


def _detected(cases: Sequence[Case]) -> tuple[list[tuple[np.ndarray, Side]], list[str]]:
    """(world landmarks, side) of the hand found for each first requested one, and its gesture."""
    from engine.evaluate.gestures import OTHER
    from engine.evaluate.reading import match
    from engine.hand import pose_hand
    from engine.reconstruct import detect
    from engine.render import keypoints_px

    hands, labels = [], []
    for case in cases:
        found = detect(case.image)
        target = keypoints_px(pose_hand(case.hands[0]), case.camera)
        (index,) = match([target], [d.points_px for d in found])
        if index is not None:
            hands.append((found[index].world_m, found[index].side))
            labels.append(case.gesture or OTHER)
    logger.info("a hand in %d of %d pictures", len(hands), len(cases))
    return hands, labels
