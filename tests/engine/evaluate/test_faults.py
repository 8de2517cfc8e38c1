"""Faults do what their names say, to about half of the pictures, and leave the given ones alone."""

import numpy as np
import pytest

from engine.evaluate import faults


@pytest.fixture
def image():
    """An edge across a picture that is not square."""
    picture = np.full((96, 128, 3), 60, np.uint8)
    picture[:, 64:] = 190
    return picture


def steepest(image: np.ndarray) -> np.ndarray:
    """The largest step of each row."""
    return np.abs(np.diff(image[..., 0].astype(int), axis=1)).max(1)


def test_each_fault(image):
    rng = np.random.default_rng(0)
    assert faults.put("clean", image, rng) is image
    assert steepest(faults.put("blurred", image, rng)).max() < 90
    grainy = faults.put("grainy", image, rng)
    assert 3 < grainy[:, :64].std() < 25
    assert grainy[:, :64].mean() == pytest.approx(60, abs=1)
    molten = faults.put("molten", image, rng)
    places = np.abs(np.diff(molten[..., 0].astype(int), axis=1)).argmax(1)
    assert places.std() > 0.5  # the edge is no longer straight
    assert {60, 190} <= set(np.unique(molten).tolist())


def test_some_pictures_of_many(image):
    images = np.stack([image] * 200)
    before = images.copy()
    out, names = faults.with_faults(images, np.random.default_rng(1))
    assert 0.4 < np.mean([name == faults.CLEAN for name in names]) < 0.6
    assert set(names) == set(faults.FAULTS)
    assert (images == before).all()
    changed = [(a != b).any() for a, b in zip(out, images, strict=True)]
    assert changed == [name != faults.CLEAN for name in names]
    again, _ = faults.with_faults(images, np.random.default_rng(1))
    assert (again == out).all()
