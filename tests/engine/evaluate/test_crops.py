import numpy as np
import pytest

from engine.evaluate.crops import crop, crop_boxes, square_box, tight_box

HAND = np.array([[10.0, 20.0], [30.0, 28.0]])  # a box 20 wide, 8 high
OTHER = np.array([[50.0, 60.0], [54.0, 70.0]])


def test_square_box_is_square_and_wider():
    left, top, right, bottom = square_box(HAND)
    assert (right - left, bottom - top) == pytest.approx((24, 24))
    assert ((left + right) / 2, (top + bottom) / 2) == pytest.approx((20, 24))


def test_one_crop_for_every_requested_hand():
    """The detected hand's box where there is one, else the requested hand's."""
    boxes = crop_boxes("hand", [OTHER], [(HAND, None), (HAND, 0)])
    assert boxes == [square_box(HAND), square_box(OTHER)]
    assert crop_boxes("hand", [], [(HAND, None)]) == [square_box(HAND)]


def test_published_rules():
    assert crop_boxes("hand1000-fid", [HAND, OTHER], [(HAND, 0)]) == [(10, 20, 54, 70)]
    assert crop_boxes("hand1000-kid", [HAND, OTHER], [(HAND, 0)]) == [tight_box(HAND), tight_box(OTHER)]
    assert crop_boxes("hand1000-fid", [], [(HAND, None)]) == []
    assert crop_boxes("hand1000-kid", [], [(HAND, None)]) == []


def test_crop_reads_the_right_place():
    """Not square, so that swapped axes show; black outside."""
    image = np.zeros((40, 60, 3), np.uint8)
    image[5:15, 40:50] = (200, 100, 50)
    assert (crop(image, (40, 5, 50, 15), 8) == (200, 100, 50)).all()
    assert crop(image, (40, 5, 50, 15), 8).shape == (8, 8, 3)
    outside = crop(image + 9, (-20, -20, 0, 0), 4)
    assert (outside == 0).all()
