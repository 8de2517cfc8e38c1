"""HaMeR and WiLoR as readers: a person's own install and weights, the same call and type as `reconstruct`.

Both regress MANO's pose from a square crop of one hand, left hands mirrored (Pavlakos et al., CVPR 2024;
Potamias et al., CVPR 2025). Their code, weights and MANO's files have licences of their own and are not part
of this project; nothing of theirs is imported before `load_network` is called.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.hand import anatomy, pose_hand, rotation
from engine.reconstruct.landmarks import Detection, detect
from engine.reconstruct.read import camera_of, one_side
from engine.types import Camera, HandPose, Reconstruction, Side, UserError

CONFIG, WEIGHTS = "model_config.yaml", "weights.safetensors"
PICKLES = ("*.ckpt", "*.pt", "*.pth", "*.bin")
CROP_PX = 256
_BOX_ASPECT = 192 / 256  # width over height of what the networks look at within the crop
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)  # ImageNet, RGB
_SD = np.array([0.229, 0.224, 0.225], np.float32)


@dataclass(frozen=True, kw_only=True)
class Network:
    """A published network: where its package keeps it, and how much of the picture it wants."""

    title: str
    package: str
    class_name: str
    rescale: float  # of the hand's box
    source: str


NETWORKS: Mapping[str, Network] = {
    "hamer": Network(
        title="HaMeR",
        package="hamer",
        class_name="HAMER",
        rescale=2.0,
        source="https://github.com/geopavlakos/hamer",
    ),
    "wilor": Network(
        title="WiLoR",
        package="wilor",
        class_name="WiLoR",
        rescale=2.5,
        source="https://github.com/rolpotamias/WiLoR",
    ),
}


@dataclass(frozen=True, eq=False)
class NetworkReader:
    """A loaded network; call it as `reconstruct`."""

    network: Network
    model: Any  # torch module of the package
    own_mano: bool

    def __call__(
        self, image: np.ndarray, camera: Camera | None = None, side: Side | None = None, max_hands: int = 2
    ) -> list[Reconstruction]:
        """The hands in `image` (H, W, 3) uint8 RGB that MediaPipe finds, each read by the network."""
        camera = camera_of(image, camera)
        found = one_side(detect(image, max_hands), side)
        return [self._read(image, detection, camera, side or detection.side) for detection in found]

    def _read(self, image: np.ndarray, detection: Detection, camera: Camera, side: Side) -> Reconstruction:
        right = side == "right"
        centre, box_px = hand_box(detection.points_px, self.network.rescale)
        out = self._forward(crop(image, centre, box_px, mirrored=not right))
        if not right:
            centre = centre * (-1, 1) + (camera.width_px, 0)
        hand = self._hand(out, centre, box_px, camera if right else _mirrored(camera))
        points_px = centre + out["pred_keypoints_2d"].reshape(21, 2) * box_px
        if not right:
            hand, points_px = anatomy.mirror(hand), points_px * (-1, 1) + (camera.width_px, 0)
        posed = pose_hand(hand)
        return Reconstruction(
            verts=posed.verts,
            joints=posed.joints,
            hand=hand,
            camera=camera,
            score=detection.score,
            keypoints_px=points_px,
            faces=posed.faces,
        )

    def _forward(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """The network's answer to one normalised crop (3, 256, 256)."""
        import torch

        with torch.inference_mode():
            out = self.model({"img": torch.from_numpy(pixels)[None]})
        flat = {**out["pred_mano_params"], **{k: out[k] for k in ("pred_cam", "pred_keypoints_2d")}}
        return {name: value.detach().cpu().numpy()[0] for name, value in flat.items()}

    def _hand(
        self, out: dict[str, np.ndarray], centre: np.ndarray, box_px: float, camera: Camera
    ) -> HandPose:
        """A right hand before `camera`, from rotations and the crop's weak perspective (scale, x, y)."""
        scale, x_m, y_m = out["pred_cam"]
        K = np.array(camera.K)
        depth_m = 2 * K[0, 0] / (box_px * max(float(scale), 1e-6))
        shift = (centre - K[:2, 2]) / K[[0, 1], [0, 1]] * depth_m
        return HandPose(
            side="right",
            global_orient=rotation.log(out["global_orient"].reshape(3, 3)),
            hand_pose=rotation.log(out["hand_pose"].reshape(15, 3, 3)).ravel(),
            betas=out["betas"].ravel() if self.own_mano else (0.0,) * 10,
            transl=(x_m + shift[0], y_m + shift[1], depth_m),
        )


def load_network(name: str, folder: str | Path, *, own_mano: bool = False) -> NetworkReader:
    """The network `name` (a key of NETWORKS) from `folder`: model_config.yaml and weights.safetensors.

    `own_mano` says that the hand in use is MANO's, whose shape coefficients the network speaks of.
    """
    if name not in NETWORKS:
        raise UserError(
            f"There is no reader {name!r}; choose one of {', '.join(NETWORKS)}.", code="no_reader"
        )
    network, folder = NETWORKS[name], Path(folder)
    weights = _weights_file(folder)
    model = _build(network, folder / CONFIG)
    from safetensors.torch import load_file

    missing, _ = model.load_state_dict(load_file(weights), strict=False)
    lacking = [key for key in missing if key.startswith(("backbone.", "mano_head.", "refine_net."))]
    if lacking:
        raise UserError(
            f"{weights.name} lacks {len(lacking)} of {network.title}'s tensors, {lacking[0]} first; "
            "convert the whole checkpoint.",
            code="bad_weights",
        )
    return NetworkReader(network, model.eval(), own_mano)


def hand_box(points_px: np.ndarray, rescale: float) -> tuple[np.ndarray, float]:
    """Centre (2,) px and side in px of the square that a network is shown of a hand."""
    low, high = points_px.min(axis=0), points_px.max(axis=0)
    width, height = np.maximum(high - low, 1.0) * rescale
    return (low + high) / 2, float(max(width / _BOX_ASPECT, height))


def crop(image: np.ndarray, centre: np.ndarray, side_px: float, *, mirrored: bool) -> np.ndarray:
    """(3, 256, 256) float32, normalised as the networks expect; black beyond the picture."""
    import cv2

    scale = CROP_PX / side_px
    corner = centre - side_px / 2
    shift = (0.5 - corner) * scale - 0.5  # pixel centres are at + 0.5
    to_crop = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    patch = cv2.warpAffine(image, to_crop, (CROP_PX, CROP_PX), flags=cv2.INTER_LINEAR)
    if mirrored:
        patch = patch[:, ::-1]
    return np.ascontiguousarray(((patch / np.float32(255) - _MEAN) / _SD).transpose(2, 0, 1))


def _mirrored(camera: Camera) -> Camera:
    """The camera of the picture's mirror image."""
    (fx, skew, cx), *rest = camera.K
    row = (fx, -skew, camera.width_px - cx)
    return Camera(K=(row, *rest), width_px=camera.width_px, height_px=camera.height_px)


def _weights_file(folder: Path) -> Path:
    weights = folder / WEIGHTS
    if weights.is_file():
        return weights
    pickled = sorted(p for pattern in PICKLES for p in folder.glob(f"**/{pattern}"))
    if pickled:
        raise UserError(
            f"{pickled[0].name} is a pickle, which can run code when it is read; convert it first with "
            f"`python -m engine.reconstruct convert {pickled[0]} {weights}`.",
            code="pickle_refused",
        )
    raise UserError(f"There is no {WEIGHTS} in {folder}.", code="no_weights")


def _build(network: Network, config_file: Path) -> Any:
    """The package's model, without its weights and without its renderer."""
    if not config_file.is_file():
        raise UserError(f"There is no {CONFIG} in {config_file.parent}.", code="no_weights")
    try:
        configs = importlib.import_module(f"{network.package}.configs")
        models = importlib.import_module(f"{network.package}.models")
    except ImportError as error:
        raise UserError(
            f"{network.title} is not installed ({error}); install it from {network.source}.", code="no_reader"
        ) from error
    config = configs.get_config(str(config_file), update_cachedir=True)
    config.defrost()
    config.MODEL.BACKBONE.pop("PRETRAINED_WEIGHTS", None)  # would be read as a pickle
    config.freeze()
    return getattr(models, network.class_name)(config, init_renderer=False)
