"""Hand1000's own metrics, quirks included."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from engine.evaluate import published

POINTS = np.array([[4.0, 6.0], [20.0, 12.0]])


@pytest.fixture
def seen(monkeypatch):
    """What the detector was given; it finds a hand where the first pixel's first channel is over 100."""
    pictures = []

    def detect(image, max_hands, min_score):
        pictures.append(image)
        hand = SimpleNamespace(points_px=POINTS)
        return [hand, SimpleNamespace(points_px=POINTS + 2)] if image[0, 0, 0] > 100 else []

    monkeypatch.setattr("engine.reconstruct.detect", detect)
    return pictures


def test_fid_h_detects_on_swapped_colours_and_takes_the_union(seen):
    image = np.zeros((30, 40, 3), np.uint8)
    image[..., 2] = 200  # blue, which the script reads as red
    assert published.fid_h_boxes(image) == [(4.0, 6.0, 22.0, 14.0)]
    assert seen[0][0, 0].tolist() == [200, 0, 0]
    assert published.fid_h_boxes(image[..., ::-1]) == []


def test_kid_h_detects_on_wrapped_bytes_and_takes_each_hand(seen):
    """Black normalises to about -2.1, times 255 -540, which as a byte is 228."""
    assert published.kid_h_boxes(np.zeros((30, 40, 3), np.uint8)) == [(4, 6, 20, 12), (6, 8, 22, 14)]
    value = int(-0.485 / 0.229 * 255) % 256
    assert seen[0][0, 0, 0] == value
    mean = np.full((1, 1, 3), 124, np.uint8)  # near the mean: no wrapping
    assert published.wrapped(mean)[0, 0, 0] == int((124 / 255 - 0.485) / 0.229 * 255)


def test_distances_leave_out_what_cannot_be_measured(seen):
    rng = np.random.default_rng(0)

    class Corner:
        crop_px = 8

        def __call__(self, images):
            return np.stack([image[:4, :4].astype(float).mean((0, 1)) for image in images])

    dark = [rng.integers(1, 90, (30, 40, 3), dtype=np.uint8) for _ in range(6)]
    out = published.distances(dark, dark[::-1], Corner())
    assert set(out) <= {c.key for c in published.COLUMNS}
    assert "fid_h" not in out  # no hand in any swapped picture
    assert out["fid"] == pytest.approx(0, abs=1e-4)
    assert out["kid"] == pytest.approx(0, abs=1e-4)  # biased: a set is at distance 0 from itself
