import numpy as np
from PIL import Image

from engine.evaluate.sheet import ACROSS, CELL_PX, GAP_PX, LABEL_PX, contact_sheet, write_sheet


def grey(value: int) -> np.ndarray:
    return np.full((64, 80, 3), value, np.uint8)


def test_pictures_stand_in_order_under_their_titles():
    sheet = contact_sheet([("a", [grey(10 * i) for i in range(18)]), ("b", [grey(200)])])
    assert sheet.shape == (2 * LABEL_PX + 3 * CELL_PX + 2 * GAP_PX, ACROSS * CELL_PX, 3)

    def cell(top, place):
        return sheet[top + CELL_PX // 2, place * CELL_PX + CELL_PX // 2, 0]

    assert [cell(LABEL_PX, i) for i in (0, 7, 15)] == [0, 70, 150]
    assert cell(LABEL_PX + CELL_PX, 1) == 170
    assert cell(LABEL_PX + CELL_PX, 2) == 255  # nothing
    second = 2 * LABEL_PX + 2 * CELL_PX + GAP_PX
    assert cell(second, 0) == 200
    assert sheet[:LABEL_PX].min() < 128  # text


def test_only_the_first_pictures_and_small(tmp_path):
    asked = []

    def picture(case):
        asked.append(case)
        return np.random.default_rng(case).integers(0, 255, (256, 256, 3), dtype=np.uint8)

    path = tmp_path / "deep" / "sheet.webp"
    write_sheet([("method", list(range(100)), picture)], path, count=32)
    assert asked == list(range(32))
    with Image.open(path) as image:
        assert image.size[0] == ACROSS * CELL_PX
    assert path.stat().st_size < 400_000
