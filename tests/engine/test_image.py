from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from engine import image
from engine.types import UserError


def file(array, kind="PNG", **options):
    out = io.BytesIO()
    Image.fromarray(array).save(out, kind, **options)
    return out.getvalue()


@pytest.fixture
def picture():
    return np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_formats_open(picture, kind, tmp_path):
    path = tmp_path / "picture"
    path.write_bytes(file(picture, kind))
    for source in (path, str(path), path.read_bytes()):
        opened = image.open_image(source)
        assert opened.shape == (40, 60, 3)
        assert opened.dtype == np.uint8
    if kind == "PNG":
        assert np.array_equal(opened, picture)


def refused(source, code):
    with pytest.raises(UserError) as error:
        image.open_image(source)
    assert error.value.code == code
    assert str(error.value).endswith(".")


def test_bad_files_get_one_sentence(picture, tmp_path):
    good = file(picture)
    refused(b"", "bad_image")
    refused(b"GIF89a nothing", "bad_image")
    refused(file(picture, "GIF"), "bad_image")
    refused(file(picture, "BMP"), "bad_image")
    refused(good[: len(good) // 2], "bad_image")
    refused(tmp_path / "nothing.png", "bad_image")
    refused(tmp_path, "bad_image")
    refused(file(picture[:1, :1]), "small_image")
    refused(np.zeros((40, 60, 3)), "bad_image")
    refused(np.zeros((40, 60, 2), dtype=np.uint8), "bad_image")


def bomb(width, height):
    """A PNG that promises more pixels than it holds."""

    def chunk(name, data):
        body = name + data
        return len(data).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")

    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([8, 2, 0, 0, 0])
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


def test_bombs_are_refused_before_they_open():
    refused(bomb(10_000, 10_000), "large_image")
    with pytest.raises(UserError):
        image.open_image(bomb(60_000, 60_000))
    refused(np.zeros((1, 1, 3), dtype=np.uint8), "small_image")


def test_large_files_are_refused(tmp_path, monkeypatch, picture):
    monkeypatch.setattr(image, "MAX_BYTES", 100)
    path = tmp_path / "p.png"
    path.write_bytes(file(picture))
    refused(path, "large_image")


def test_orientation_is_applied(picture):
    exif = Image.Exif()
    exif[274] = 6  # turn right by 90 degrees
    opened = image.open_image(file(picture, "JPEG", exif=exif, quality=100, subsampling=0))
    assert opened.shape == (60, 40, 3)
    assert np.abs(opened.astype(int) - np.rot90(picture, -1).astype(int)).mean() < 4


def test_transparent_parts_are_white(picture):
    rgba = np.dstack([picture, np.zeros((40, 60), dtype=np.uint8)])
    rgba[:, 30:, 3] = 255
    opened = image.open_image(file(rgba))
    assert (opened[:, :30] == 255).all()
    assert np.array_equal(opened[:, 30:], picture[:, 30:])


def test_gray_and_palette_open(picture):
    gray = picture[..., 0]
    assert np.array_equal(image.open_image(file(gray))[..., 1], gray)
    assert np.array_equal(image.open_image(gray)[..., 2], gray)
    out = io.BytesIO()
    Image.fromarray(picture).convert("P").save(out, "PNG")
    assert image.open_image(out.getvalue()).shape == (40, 60, 3)


def test_large_pictures_are_brought_down(picture):
    assert image.open_image(file(picture), max_side=33).shape == (22, 33, 3)


def test_tensors_keep_axes_and_channels():
    array = np.zeros((2, 3, 3), dtype=np.uint8)
    array[0, 2] = (255, 128, 0)  # top right, orange
    tensor = image.to_tensor(array)
    assert tensor.shape == (1, 3, 2, 3)
    assert torch.allclose(tensor[0, :, 0, 2], torch.tensor([1.0, 128 / 127.5 - 1, -1.0]), atol=1e-6)
    assert image.to_tensor(array, low=0.0).min() == 0
    assert np.array_equal(image.to_uint8(tensor), array)


def test_every_byte_survives_the_round_trip():
    array = np.arange(256, dtype=np.uint8).reshape(16, 16)[..., None].repeat(3, axis=2)
    assert np.array_equal(image.to_uint8(image.to_tensor(array)), array)
    out_of_range = torch.tensor([-3.0, 3.0]).view(1, 1, 1, 2).expand(1, 3, 1, 2)
    assert image.to_uint8(out_of_range).tolist() == [[[0] * 3, [255] * 3]]


def test_encode_and_decode(picture):
    assert np.array_equal(image.decode(image.encode(picture)), picture)
    smooth = np.linspace(0, 255, 40 * 60 * 3).reshape(40, 60, 3).astype(np.uint8)
    assert np.abs(image.decode(image.encode(smooth, "webp")).astype(int) - smooth).mean() < 4


def test_resize_takes_height_and_width(picture):
    assert image.resize(picture, (20, 90)).shape == (20, 90, 3)
    assert image.resize(picture, (40, 60)) is picture
