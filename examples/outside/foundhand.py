"""FoundHand's picture for HandLab: run by engine/outside.py in the environment of the authors' repository.

    python foundhand.py FOUNDHAND_CHECKOUT REQUEST_FOLDER

FOUNDHAND_CHECKOUT is a clone of the authors' repository with their weights under weights/. The settings are those of
their image-to-image notebook: 256x256, 250 steps, guidance 2.5, heat-maps of variance 1 on the 32x32 latents, the
reference's picture, keypoints and hand mask. Their checkpoints are read as data (weights_only), never as code. Written
after the notebook; it was not run by this project, which has neither the weights nor the card.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

SIDE_PX, CELLS, SCALE = 256, 32, 0.18215
STEPS, GUIDANCE = "250", 2.5
MODEL = "DINO_EMA_11M_b50_lr1e-5_epoch6_step320k.ckpt"
AUTOENCODER = "vae-ft-mse-840000-ema-pruned.ckpt"


def main(checkout: str, folder: str) -> None:
    sys.path.insert(0, checkout)
    request = json.loads((Path(folder) / "request.json").read_text(encoding="utf-8"))
    if not (Path(folder) / "reference_keypoints.npy").is_file():
        sys.exit("FoundHand needs a hand on the reference picture, and none was found there.")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.manual_seed(request["seed"])
    picture = sample(Path(checkout) / "weights", Path(folder), request, device)
    Image.fromarray(picture).save(Path(folder) / "picture.png")


@torch.no_grad()
def sample(weights: Path, folder: Path, request: dict, device: str) -> np.ndarray:
    """(256, 256, 3) uint8."""
    from diffusion import create_diffusion
    from models import vit, vqvae

    model = vit.DiT_XL_2(input_size=CELLS, latent_dim=4, in_channels=4 + 42 + 1, learn_sigma=True)
    _load(model, weights / MODEL, "ema_state_dict")
    autoencoder = vqvae.create_model(3, 3, 4)
    _load(autoencoder, weights / AUTOENCODER, "state_dict")
    model, autoencoder = model.to(device).eval(), autoencoder.to(device).eval()

    shape = (request["height"], request["width"])
    reference = np.asarray(_resized(Image.open(folder / "reference.png").convert("RGB"), SIDE_PX))
    pixels = torch.from_numpy(reference.copy()).permute(2, 0, 1)[None].float().to(device) / 127.5 - 1
    cells = _resized(Image.open(folder / "reference_mask.png").convert("L"), CELLS, Image.NEAREST)
    mask = torch.from_numpy(np.asarray(cells).copy() > 0).float()[None, None].to(device)
    latent = SCALE * autoencoder.encode(pixels).sample()
    seen = heatmaps(np.load(folder / "reference_keypoints.npy"), shape, device)
    asked = heatmaps(np.load(folder / "keypoints.npy"), shape, device)
    reference_condition = torch.cat([latent, seen, mask], 1)
    target_condition = torch.cat([asked, torch.zeros_like(mask)], 1)

    z = torch.randn(1, 4, CELLS, CELLS, device=device)
    view = torch.zeros(1, dtype=torch.int, device=device)  # 0: same view, 2: unconditional
    samples = create_diffusion(STEPS).p_sample_loop(
        model.forward_with_cfg,
        (2, 4, CELLS, CELLS),
        torch.cat([z, z]),
        clip_denoised=False,
        model_kwargs={
            "target_cond": torch.cat([target_condition, torch.zeros_like(target_condition)]),
            "ref_cond": torch.cat([reference_condition, torch.zeros_like(reference_condition)]),
            "nvs": torch.cat([view, view + 2]),
            "cfg_scale": GUIDANCE,
        },
        progress=False,
        device=device,
    )
    decoded = autoencoder.decode(samples.chunk(2)[0] / SCALE).clamp(-1, 1)
    return ((decoded[0].permute(1, 2, 0).cpu().numpy() + 1) * 127.5).astype(np.uint8)


def heatmaps(points_px: np.ndarray, shape: tuple[int, int], device: str) -> torch.Tensor:
    """(42, 2) px of a picture of `shape`, NaN where absent -> (1, 42, 32, 32)."""
    from utils.utils import check_keypoints_validity, keypoint_heatmap, scale_keypoint

    side = (SIDE_PX, SIDE_PX)
    points = np.nan_to_num(points_px, nan=-1.0) * (SIDE_PX / shape[1], SIDE_PX / shape[0])
    valid = check_keypoints_validity(points, side) * np.isfinite(points_px).all(1)
    maps = keypoint_heatmap(scale_keypoint(points, side, (CELLS, CELLS)), (CELLS, CELLS), var=1.0)
    return torch.tensor(maps * valid[:, None, None], dtype=torch.float, device=device)[None]


def _resized(image: Image.Image, side: int, how: int = Image.BICUBIC) -> Image.Image:
    return image.resize((side, side), how)


def _load(model: torch.nn.Module, path: Path, key: str) -> None:
    state = torch.load(path, map_location="cpu", weights_only=True)[key]
    missing, _ = model.load_state_dict(state, strict=False)
    if missing:
        sys.exit(f"{path.name} lacks {len(missing)} tensors, the first of them {missing[0]}.")


if __name__ == "__main__":
    main(*sys.argv[1:])
