"""Hand1000's metrics as its published scripts compute them, quirks included, so that its table can be set
beside ours.

cal_fid-h   detects on swapped colours (RGB read as BGR), crops the union of the hands without margin, drops
the rest cal_kid     biased estimator cal_kid-h   detects on an image normalised first and then cast to
bytes, so that negative values wrap; a crop a hand
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.evaluate.crops import Box, crop, crop_boxes
from engine.evaluate.features import IMAGENET_MEAN, IMAGENET_STD, Features
from engine.evaluate.frechet import Gaussian, frechet_distance
from engine.evaluate.kernel import kernel_distance
from engine.evaluate.metrics import Column

COLUMNS = (
    Column(key="fid", title="FID*", better="lower", digits=2, meaning="cal_fid"),
    Column(key="kid", title="KID*", better="lower", digits=4, meaning="cal_kid: biased"),
    Column(
        key="fid_h",
        title="FID-H*",
        better="lower",
        digits=2,
        meaning="cal_fid-h: union of hands, colours swapped",
    ),
    Column(key="kid_h", title="KID-H*", better="lower", digits=4, meaning="cal_kid-h: wrapped bytes, biased"),
)


def fid_h_boxes(image: np.ndarray) -> list[Box]:
    """One box, or none; image (H, W, 3) uint8."""
    from engine.reconstruct import detect

    found = detect(np.ascontiguousarray(image[..., ::-1]), max_hands=2, min_score=0.5)
    return crop_boxes("hand1000-fid", [d.points_px for d in found], [])


def kid_h_boxes(image: np.ndarray) -> list[Box]:
    """One box a detected hand."""
    from engine.reconstruct import detect

    found = detect(wrapped(image), max_hands=2, min_score=0.5)
    return crop_boxes("hand1000-kid", [d.points_px for d in found], [])


def wrapped(image: np.ndarray) -> np.ndarray:
    """ImageNet's normalisation, times 255, cast to bytes modulo 256."""
    normalised = (image / 255 - np.array(IMAGENET_MEAN)) / np.array(IMAGENET_STD)
    return (normalised * 255).astype(np.int64).astype(np.uint8)


def distances(
    images: Sequence[np.ndarray], real: Sequence[np.ndarray], features: Features
) -> dict[str, float]:
    """COLUMNS' keys -> value; without those for which a side has fewer than two crops."""
    a, b = features(images), features(real)
    out = {"fid": _frechet(a, b), "kid": _kernel(a, b)}
    for key, boxes_of, distance in (("fid_h", fid_h_boxes, _frechet), ("kid_h", kid_h_boxes, _kernel)):
        crops = [
            [crop(i, box, features.crop_px) for i in side for box in boxes_of(i)] for side in (images, real)
        ]
        if min(map(len, crops)) > 1:
            out[key] = distance(*map(features, crops))
    return out


def _frechet(a: np.ndarray, b: np.ndarray) -> float:
    return frechet_distance(Gaussian.of(a), Gaussian.of(b))


def _kernel(a: np.ndarray, b: np.ndarray) -> float:
    return kernel_distance(a, b, estimator="hand1000").mean
