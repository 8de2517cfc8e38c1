import numpy as np
import pytest

from engine.evaluate.features import INCEPTION_PX, ScriptedInception, imagenet_input
from engine.types import UserError


@pytest.fixture
def scripted(tmp_path):
    """A TorchScript file with Inception's calling convention: mean colour, and the size it was given."""
    import torch

    class Toy(torch.nn.Module):
        def forward(self, img: torch.Tensor, return_features: bool = False) -> torch.Tensor:
            mean = img.float().mean([2, 3])
            size = torch.full((img.shape[0], 1), float(img.shape[2]))
            return torch.cat([mean, size], 1) if return_features or img.dtype == torch.float32 else mean

    path = tmp_path / "inception.pt"
    torch.jit.script(Toy()).save(str(path))
    return path


def test_the_defining_network_gets_raw_pixels(scripted):
    images = [np.full((40, 60, 3), (10, 20, 30), np.uint8) for _ in range(35)]  # more than a batch
    features = ScriptedInception(scripted)
    assert (features.frechet, features.kernel) == ("FID", "KID")
    np.testing.assert_allclose(features(images), np.tile([10, 20, 30, 40], (35, 1)))


def test_the_published_variant_gets_its_own_input(scripted):
    features = ScriptedInception(scripted, "hand1000")
    out = features([np.full((40, 60, 3), 255, np.uint8)])
    assert features.frechet == "FID-hand1000"
    white = (1 - np.array([0.485, 0.456, 0.406])) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(out[0], [*white, 299], rtol=1e-5)


def test_centre_crop_keeps_the_middle():
    """A wide picture loses its left and right ends and keeps its channels' order."""
    image = np.zeros((100, 300, 3), np.uint8)
    image[:, :100] = (255, 0, 0)
    image[:, 100:200] = (0, 255, 0)
    x = imagenet_input(image)
    assert x.shape == (3, INCEPTION_PX, INCEPTION_PX)
    assert x[1, :, 20:-20].min() > 2
    assert x[0, :, 20:-20].max() < -2


def test_missing_weights_say_where_to_get_them(tmp_path):
    with pytest.raises(UserError, match="download https://"):
        ScriptedInception(tmp_path / "none.pt")
    (tmp_path / "bad.pt").write_bytes(b"no archive")
    with pytest.raises(UserError, match="TorchScript"):
        ScriptedInception(tmp_path / "bad.pt")
