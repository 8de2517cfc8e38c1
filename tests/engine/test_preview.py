from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import torch
import torch.nn.functional as F

from engine import preview
from engine.image import encode
from engine.weights import Models

MIX = torch.tensor(
    [[0.5, 0.2, 0.0], [0.0, 0.4, -0.3], [0.1, 0.0, 0.6], [0.3, -0.2, 0.1]]
)  # latents to colours
SHIFT = torch.tensor([0.1, -0.1, 0.05])


def linear_models():
    """A "VAE" whose colours are exactly linear in its latents."""

    def to_latents(pixels):
        coarse = F.adaptive_avg_pool2d(pixels, (8, 12)) - SHIFT.view(1, 3, 1, 1)
        return torch.einsum("brhw,rc->bchw", coarse, torch.linalg.pinv(MIX))

    return SimpleNamespace(encode=to_latents)


def pictures(n=5):
    generator = np.random.default_rng(0)
    return [generator.integers(60, 200, (64, 96, 3), dtype=np.uint8) for _ in range(n)]


def test_a_linear_code_is_found_exactly():
    matrix, explained = preview.fit(linear_models(), pictures())
    assert explained > 1 - 1e-6
    latents = linear_models().encode(torch.rand(1, 3, 64, 96))
    colors = torch.einsum("bchw,cr->brhw", latents.double(), torch.from_numpy(matrix[:-1]))
    expected = torch.einsum("bchw,cr->brhw", latents, MIX) + SHIFT.view(1, 3, 1, 1)
    assert torch.allclose(
        colors + torch.from_numpy(matrix[-1]).view(1, 3, 1, 1), expected.double(), atol=1e-4
    )


def test_the_matrix_draws_previews():
    """Channels, rows and columns keep their places, and the size is the picture's."""
    matrix = tuple(tuple(row) for row in torch.cat([MIX, SHIFT[None]]).tolist())
    latents = torch.zeros(1, 4, 8, 12)
    latents[0, 0, 0, 11] = 2.0  # top right: red 1.0, green 0.4
    models = Models(unet=None, vae=None, text=None, scheduler={}, weights=None)
    drawn = models.preview(latents, (64, 96), matrix)
    assert drawn.shape == (64, 96, 3)
    red, green, blue = drawn[0, -1].astype(int)
    assert red == 255
    assert abs(green - (0.3 / 2 + 0.5) * 255) <= 1
    assert abs(blue - (0.05 / 2 + 0.5) * 255) <= 1
    assert abs(int(drawn[-1, 0, 0]) - (0.1 / 2 + 0.5) * 255) <= 1


def test_the_command_prints_the_manifests_line(tmp_path, capsys):
    for i, picture in enumerate(pictures(2)):
        (tmp_path / f"{i}.png").write_bytes(encode(picture))
    assert preview.main(["tiny", str(tmp_path)]) == 0
    line = capsys.readouterr().out
    name, _, value = line.partition(" = ")
    assert name == "preview"
    assert np.array(json.loads(value)).shape == (5, 3)
    assert preview.main(["tiny", str(tmp_path / "nowhere")]) == 1
