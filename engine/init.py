"""Init parts: what the loop starts from, and what is put back after each step.

A part's verbs: start(models, sampler, size_px, noise, pictures) gives the loop its Start, and
finish(image, pictures) has the last word on the picture. `pictures` holds those of the plans inside the plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from engine.types import Camera, HandPose, Plan, register

Pictures = Mapping[Plan, np.ndarray]  # plan -> (H, W, 3) uint8

if TYPE_CHECKING:
    from torch import Tensor

    from engine.denoise import Start
    from engine.sampler import Sampler
    from engine.weights import Models


@register
@dataclass(frozen=True, kw_only=True)
class Noise:
    """Pure noise."""

    def start(
        self,
        models: Models,
        sampler: Sampler,
        size_px: tuple[int, int],
        noise: Tensor,
        pictures: Pictures,
    ) -> Start:
        from engine.denoise import Start

        return Start(latents=noise)

    def finish(self, image: np.ndarray, pictures: Pictures) -> np.ndarray:
        return image


@register
@dataclass(frozen=True, kw_only=True)
class Inpaint:
    """HandRefiner's: paint the hands of another plan's picture anew and keep the rest.

    The mask is each hand's box, of silhouette and keypoints, grown by 15 % of its sides and at least 30 px
    in a picture of 512 (HandRefiner's code). Theirs lies on the bad hand, for the mesh was estimated from it; the
    asked-for hand lies elsewhere, so that the boxes of the hands found on the source are masked too, else it would
    keep its bad hand beside the new one. With a UNet of nine channels the mask and the masked picture
    are shown to it; with any, the source's latents at the next noise level are put back outside the mask
    after each step.
    """

    source: Plan
    hands: tuple[HandPose, ...] = ()
    camera: Camera | None = None
    grow: float = 0.15  # of the box's sides
    grow_min: float = 30 / 512  # of the picture's longer side
    erase: bool = True  # mask the source's own hands as well
    project: bool = True  # put the source's latents back after each step
    paste: bool = True  # and its pixels at the end: outside the mask nothing differs

    def mask(self, source: np.ndarray) -> np.ndarray:
        """(H, W) bool for the source's picture (H, W, 3): True where it is painted anew."""
        height, width = size_px = source.shape[:2]
        out = np.zeros(size_px, dtype=bool)
        for x, y in [*self._asked(size_px), *(self._found(source) if self.erase else ())]:
            least = self.grow_min * max(size_px)
            dx, dy = (max(self.grow * np.ptp(axis), least) for axis in (x, y))
            top, bottom = (int(np.clip(v, 0, height)) for v in (y.min() - dy, y.max() + dy + 1))
            left, right = (int(np.clip(v, 0, width)) for v in (x.min() - dx, x.max() + dx + 1))
            out[top:bottom, left:right] = True
        return out

    def _asked(self, size_px: tuple[int, int]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """x and y, px, of each asked-for hand's silhouette and keypoints."""
        from engine.hand import pose_hand
        from engine.render import keypoints_px, render_hint

        view = self.camera.resized(width_px=size_px[1], height_px=size_px[0])
        for hand in self.hands:
            rows, columns = np.nonzero(render_hint("mask", (hand,), self.camera, size_px).any(-1))
            points = keypoints_px(pose_hand(hand), view)
            yield np.concatenate([columns, points[:, 0]]), np.concatenate([rows, points[:, 1]])

    def _found(self, source: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """The same of the hands on the source's picture, by their landmarks."""
        from engine.reconstruct import detect

        for hand in detect(source):
            yield hand.points_px[:, 0], hand.points_px[:, 1]

    def start(
        self,
        models: Models,
        sampler: Sampler,
        size_px: tuple[int, int],
        noise: Tensor,
        pictures: Pictures,
    ) -> Start:
        import torch
        import torch.nn.functional as F

        from engine.denoise import Start
        from engine.image import to_tensor

        pixels = to_tensor(pictures[self.source])
        mask = torch.from_numpy(self.mask(pictures[self.source]))[None, None].to(noise)
        small = F.interpolate(mask, models.latent_size(size_px))
        clean = models.encode(pixels)

        def project(x: Tensor, index: int) -> Tensor:
            return (1 - small) * sampler.noised(clean, noise, index) + small * x

        extra = None
        if models.unet.config.in_channels == 2 * noise.shape[1] + 1:
            hidden = models.encode(pixels * (mask.to(pixels) < 0.5))
            extra = torch.cat([small, hidden], dim=1)
        return Start(latents=noise, extra=extra, project=project if self.project else None)

    def finish(self, image: np.ndarray, pictures: Pictures) -> np.ndarray:
        if not self.paste:
            return image
        source = pictures[self.source]
        return np.where(self.mask(source)[..., None], image, source)
