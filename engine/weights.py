"""Weights (files) become models (loaded): components are cached and shared, the least recently used go first.

Also the difference format: a tuned model stored as what is added to its base, low rank where that is smaller.
"""

from __future__ import annotations

import json
import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine import tiny
from engine.manifest import DIFFERENCE, Entry, Manifest
from engine.safety import SafetyCheck
from engine.text import GestureSet, TextEncoder
from engine.types import UserError

if TYPE_CHECKING:
    import numpy as np
    import torch
    from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel
    from torch import Tensor

logger = logging.getLogger(__name__)
DEFAULT_BUDGET = 8 << 30  # bytes of loaded components
KEPT_EMBEDDINGS = 256


def pick_device(device: str | None = None) -> str:
    """The one asked for, else a GPU if there is one."""
    import torch

    if device:
        return device
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


@lru_cache(maxsize=1)
def has_matrix_units() -> bool:
    """Whether this CPU has AMX, which multiplies bfloat16 faster than float32; others only emulate it."""
    import torch

    known = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(known.get("amx_bf16"))


class Weights:
    """The components of one profile on one device."""

    def __init__(
        self,
        manifest: Manifest,
        profile: str,
        *,
        device: str | None = None,
        budget_bytes: int = DEFAULT_BUDGET,
    ):
        self.manifest = manifest
        self.profile = manifest.profile(profile)
        self.budget_bytes = budget_bytes
        self._asked_device = device
        self._device: str | None = None
        self._loaded: OrderedDict[str, tuple[Any, int]] = OrderedDict()
        self._kept: OrderedDict[Hashable, Tensor] = OrderedDict()

    def remember(self, key: Hashable, make: Callable[[], Tensor]) -> Tensor:
        """make(), kept for the last few keys: for embeddings that take seconds."""
        if key not in self._kept:
            self._kept[key] = make()
            if len(self._kept) > KEPT_EMBEDDINGS:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]

    @property
    def device(self) -> str:
        if self._device is None:
            self._device = pick_device(self._asked_device)
        return self._device

    @property
    def dtype(self) -> torch.dtype:
        import torch

        return torch.float16 if self.profile.half and self.device == "cuda" else torch.float32

    def mixed_precision(self) -> AbstractContextManager[Any]:
        """What the loop's models run in: bfloat16 where profile and CPU have it, else as their weights are.

        Nearly twice as fast, and pictures as different as two kinds of CPU make them.
        """
        import torch

        asked = self.profile.bfloat16 and self.device == "cpu" and has_matrix_units()
        return torch.autocast("cpu", torch.bfloat16) if asked else nullcontext()

    def entry(self, name: str) -> Entry:
        return self.manifest.entry(self.profile.name, name)

    def component(self, name: str) -> Any:
        """The loaded entry; from the cache where it is there."""
        import torch

        entry = self.entry(name)
        if entry.name in self._loaded:
            self._loaded.move_to_end(entry.name)
            return self._loaded[entry.name][0]
        logger.info("loading %s of profile %s", entry.name, self.profile.name)
        with torch.inference_mode(False):  # weights loaded in a run may be tuned later
            loaded = self._load(entry)
        size = _bytes(loaded)
        while self._loaded and sum(s for _, s in self._loaded.values()) + size > self.budget_bytes:
            dropped, _ = self._loaded.popitem(last=False)
            logger.info("dropping %s", dropped)
        self._loaded[entry.name] = (loaded, size)
        return loaded

    def forget(self, name: str) -> None:
        """To be called when an entry's files have changed."""
        self._loaded.pop(self.entry(name).name, None)

    def models_for(self, name: str) -> Models:
        """Everything a plan with this UNet runs on."""
        return Models(
            unet=self.component(name),
            vae=self.component("vae"),
            text=self.component("text"),
            scheduler=self.component("scheduler"),
            weights=self,
        )

    def _load(self, entry: Entry) -> Any:
        if entry.builtin:
            return self._build(entry)
        if entry.kind == "scheduler":
            return json.loads(entry.verified("scheduler_config.json").read_text())
        if entry.kind == "text":
            return self._load_text(entry)
        if entry.kind == "safety":
            return self._load_safety(entry)
        if entry.base:
            model = self._load(self.entry(entry.base))  # a model of its own: the shared base stays as it is
            if channels := entry.options.get("hint_channels"):
                widen_hint(model, channels)
            add_difference(model, entry.verified(DIFFERENCE))
            return model
        return load_model(entry, self.dtype).to(self.device)

    def _build(self, entry: Entry) -> Any:
        built = getattr(tiny, entry.builtin)(**entry.options)
        return built.to(self.device) if hasattr(built, "to") else built

    def _load_text(self, entry: Entry) -> TextEncoder:
        import transformers

        transformers.logging.disable_progress_bar()
        options = entry.options
        paths = {name: entry.verified(name) for name in entry.files}
        folder = paths[f"{options['model']}/config.json"].parent
        kind = json.loads((folder / "config.json").read_text())["architectures"][0]
        model = getattr(transformers, kind).from_pretrained(
            folder,
            dtype=self.dtype,
            variant=_variant(entry.files),
            local_files_only=True,
            use_safetensors=True,
        )
        tokens = next(
            path.parent for name, path in paths.items() if name.startswith(options["tokenizer"] + "/")
        )
        return TextEncoder(
            transformers.AutoTokenizer.from_pretrained(tokens, local_files_only=True),
            model.to(self.device).eval().requires_grad_(False),
            length=options["length"],
            zero_padding=options["zero_padding"],
        )

    def _load_safety(self, entry: Entry) -> SafetyCheck:
        from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker

        paths = [entry.verified(name) for name in entry.files]
        model = StableDiffusionSafetyChecker.from_pretrained(
            paths[0].parent,
            dtype=self.dtype,
            variant=_variant(entry.files),
            local_files_only=True,
            use_safetensors=True,
        )
        return SafetyCheck(model.to(self.device).eval().requires_grad_(False))


@dataclass(eq=False)
class Models:
    """The loaded models that the parts of a plan speak to."""

    unet: UNet2DConditionModel
    vae: AutoencoderKL
    text: TextEncoder
    scheduler: dict[str, Any]  # a diffusers scheduler's config
    weights: Weights

    @property
    def device(self) -> str:
        return self.weights.device

    @property
    def dtype(self) -> torch.dtype:
        return self.weights.dtype

    def controlnet(self, name: str) -> ControlNetModel:
        return self.weights.component(name)

    def remember(self, key: Hashable, make: Callable[[], Tensor]) -> Tensor:
        return self.weights.remember(key, make)

    def gestures(self, name: str) -> GestureSet:
        """gestures.json and features.safetensors of an entry."""
        entry = self.weights.entry(name)
        if entry.builtin:
            return tiny.gestures()
        return load_gestures(entry.verified("gestures.json"), entry.verified("features.safetensors"))

    def embedding(self, name: str, key: str) -> Tensor:
        """(length, width): one tensor of an entry's embeddings.safetensors."""
        from safetensors.torch import load_file

        entry = self.weights.entry(name)
        saved = tiny.embeddings() if entry.builtin else load_file(entry.verified("embeddings.safetensors"))
        if key not in saved:
            raise UserError(
                f"There is no optimised embedding '{key}' in the weights '{entry.name}'.",
                code="embedding_missing",
                entry=entry.name,
            )
        return saved[key]

    @property
    def factor(self) -> int:
        """Pixels a latent, each way."""
        return 2 ** (len(self.vae.config.block_out_channels) - 1)

    def latent_size(self, size_px: tuple[int, int]) -> tuple[int, int]:
        return size_px[0] // self.factor, size_px[1] // self.factor

    def encode(self, pixels: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> scaled latents: the mean of the posterior, so that nothing is drawn."""
        latents = self.vae.encode(pixels.to(self.device, self.dtype)).latent_dist.mode()
        return (latents - self._shift) * self.vae.config.scaling_factor

    def decode(self, latents: Tensor) -> Tensor:
        """Scaled latents -> (B, 3, H, W), about [-1, 1]."""
        latents = latents.to(self.device, self.dtype)
        return self.vae.decode(latents / self.vae.config.scaling_factor + self._shift).sample

    def preview(
        self, latents: Tensor, size_px: tuple[int, int], matrix: tuple[tuple[float, ...], ...] = ()
    ) -> np.ndarray:
        """A coarse picture of latents: (H, W, 3) uint8. By a linear map to RGB where there is one."""
        import torch
        import torch.nn.functional as F

        from engine.image import to_uint8

        if not matrix:
            with torch.inference_mode():
                return to_uint8(self.decode(latents))
        weights = torch.tensor(matrix, device=latents.device)
        colors = torch.einsum("bchw,cr->brhw", latents.float(), weights[:-1]) + weights[-1][:, None, None]
        return to_uint8(F.interpolate(colors, size_px, mode="bilinear", align_corners=False))

    @property
    def _shift(self) -> float:
        return getattr(self.vae.config, "shift_factor", None) or 0.0


def load_model(entry: Entry, dtype: torch.dtype) -> Any:
    """A diffusers model from a folder of its own layout, frozen, in `dtype` whatever the file's type."""
    import diffusers

    paths = [entry.verified(name) for name in entry.files if name.endswith((".json", ".safetensors"))]
    folder = paths[0].parent
    config = json.loads((folder / "config.json").read_text())
    model = getattr(diffusers, config["_class_name"]).from_pretrained(
        folder, torch_dtype=dtype, variant=_variant(entry.files), use_safetensors=True, local_files_only=True
    )
    return model.eval().requires_grad_(False)


def _variant(files: Iterable[str]) -> str | None:
    """The hub's word between name and ending: "fp16" of model.fp16.safetensors."""
    names = (name.rpartition("/")[2].split(".") for name in files)
    return next((parts[1] for parts in names if len(parts) == 3 and parts[2] == "safetensors"), None)


def load_gestures(description: Path, features: Path) -> GestureSet:
    """What engine.train wrote with `save_gestures`."""
    from safetensors.torch import load_file

    try:
        data = json.loads(description.read_text(encoding="utf-8"))
        tensors = load_file(features)
        layer = {k.removeprefix("fc."): v for k, v in tensors.items() if k.startswith("fc.")}
        saved = {k: v for k, v in tensors.items() if not k.startswith("fc.")}
        if set(saved) != set(data["phrases"]):
            raise KeyError("features and phrases speak of different gestures")
        return GestureSet(features=saved, layer=layer, **data)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{description.name} is not a set of gestures: {error}.", code="bad_file") from None


def save_gestures(folder: Path, gestures: GestureSet) -> None:
    """gestures.json and features.safetensors: what inference needs beside the tuned UNet."""
    from safetensors.torch import save_file

    names = ("phrases", "fc", "fc_seed", "feature", "share")
    data = {name: getattr(gestures, name) for name in names}
    (folder / "gestures.json").write_text(
        json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )
    tensors = {**gestures.features, **{f"fc.{k}": v for k, v in gestures.layer.items()}}
    save_file({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, folder / "features.safetensors")


# --- differences --------------------------------------------------------------------------------------


def save_difference(
    path: Path,
    tuned: Mapping[str, Tensor],
    base: Mapping[str, Tensor],
    *,
    rank: int | None = None,
    keep: float = 1.0,
    dtype: torch.dtype | None = None,
) -> float:
    """Stores tuned - base as safetensors; returns the share of the difference's energy that was kept.

    A tensor of two or more axes, seen as (first axis, rest), becomes `<name>.up` (m, rank) and `<name>.down`
    (rank, n), its best approximation, where that is smaller; everything else `<name>.diff`. Tensors that did
    not change are left out. Without a rank everything is kept whole. Of the factors, those with the least
    energy for their size go too, as long as `keep` of what the rank keeps is left.
    """
    import torch
    from safetensors.torch import save_file

    if tuned.keys() != base.keys():
        raise ValueError("the tuned model and its base have different tensors")
    out: dict[str, Tensor] = {}
    factors: dict[str, tuple[Tensor, Tensor, Tensor]] = {}  # u (m, rank), s (rank,), v (rank, n)
    energy = lost = 0.0
    dtype = dtype or torch.float16
    for name, value in tuned.items():
        difference = value.detach().float().cpu() - base[name].detach().float().cpu()
        if not difference.any():
            continue
        energy += float(difference.square().sum())
        matrix = difference.reshape(len(difference), -1) if difference.ndim > 1 else None
        if rank and matrix is not None and rank * sum(matrix.shape) < matrix.numel():
            u, s, v = torch.linalg.svd(matrix, full_matrices=False)
            factors[name] = u[:, :rank], s[:rank], v[:rank]
            lost += float(s[rank:].square().sum())
        else:
            out[f"{name}.diff"] = difference
    cheapest = sorted(
        (float(one) ** 2 / (len(u) + v.shape[1]), float(one) ** 2, name)
        for name, (u, s, v) in factors.items()
        for one in s
    )
    spare = (1 - keep) * (energy - lost)
    dropped: Counter[str] = Counter()
    for _, one, name in cheapest:
        if one > spare:
            break
        spare -= one
        lost += one
        dropped[name] += 1
    for name, (u, s, v) in factors.items():
        if left := len(s) - dropped[name]:
            root = s[:left].sqrt()
            out[f"{name}.up"] = u[:, :left] * root
            out[f"{name}.down"] = root[:, None] * v[:left]
    if dtype == torch.float16:  # bfloat16's seven bits of mantissa, as `ship.save_half` keeps them
        out = {name: value.to(torch.bfloat16) for name, value in out.items()}
    out = {name: value.to(dtype).contiguous() for name, value in out.items()}
    save_file(out, path, metadata={"format": "difference", "rank": str(rank or 0)})
    return 1 - lost / energy if energy else 1.0


def load_difference(path: Path) -> dict[str, Tensor]:
    """Parameter name -> what is added to it, float32, low-rank ones as (first axis, rest)."""
    from safetensors.torch import load_file

    stored, out = load_file(path), {}
    for key, value in stored.items():
        name, _, part = key.rpartition(".")
        if part == "diff":
            out[name] = value.float()
        elif part == "up":
            out[name] = value.float() @ stored[f"{name}.down"].float()
    return out


def add_difference(model: Any, path: Path, scale: float = 1.0) -> None:
    """Adds a stored difference to a model in place; UserError if it was made for another architecture."""
    import torch

    state = model.state_dict()
    with torch.no_grad():
        for name, difference in load_difference(path).items():
            if name not in state or state[name].numel() != difference.numel():
                raise UserError(
                    f"The difference {path.parent.name}/{path.name} does not fit its base weights.",
                    code="difference_mismatch",
                )
            target = state[name]
            target.add_((scale * difference.reshape(target.shape)).to(target))


def widen_hint(model: ControlNetModel, channels: int) -> None:
    """The ControlNet takes hints of more channels; at first it does not see the new ones."""
    import torch

    embedding = model.controlnet_cond_embedding
    old = embedding.conv_in
    wide = torch.nn.Conv2d(channels, old.out_channels, old.kernel_size, padding=old.padding).to(old.weight)
    with torch.no_grad():
        wide.weight.zero_()
        wide.weight[:, : old.in_channels] = old.weight
        wide.bias.copy_(old.bias)
    embedding.conv_in = wide.requires_grad_(old.weight.requires_grad)
    model.register_to_config(conditioning_channels=channels)


def _bytes(component: Any) -> int:
    model = component.model if isinstance(component, TextEncoder | SafetyCheck) else component
    if not hasattr(model, "parameters"):
        return 0
    return sum(p.numel() * p.element_size() for p in model.parameters())
