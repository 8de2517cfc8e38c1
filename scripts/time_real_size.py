"""Time the engine's loop beside diffusers' own pipelines, on the same random weights.

    python scripts/time_real_size.py            # Stable Diffusion 1.5's size, half precision: a GPU of 8 GB
    python scripts/time_real_size.py --tiny     # the same code at toy size, on the CPU, in seconds

Weights are random and of the right shape: they say nothing of pictures, and everything of seconds, memory and
whether two ways of computing agree. No network and no files are needed. Prints a Markdown table; --json FILE keeps it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import torch
from torch import Tensor

TOKENS, HAND_TOKENS = 77, (5, 6)
SCHEDULER = {
    "num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear",
    "clip_sample": False, "set_alpha_to_one": False, "steps_offset": 1,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Size:
    latents: int  # side
    width: int  # of a text state
    unet: dict[str, Any]
    vae: dict[str, Any]
    hint: tuple[int, ...]


REAL = Size(
    latents=64,
    width=768,
    unet={"block_out_channels": (320, 640, 1280, 1280), "attention_head_dim": 8, "norm_num_groups": 32},
    vae={"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2, "norm_num_groups": 32},
    hint=(16, 32, 96, 256),
)
TINY = Size(
    latents=16,
    width=32,
    unet={"block_out_channels": (16, 32, 32, 32), "attention_head_dim": 2, "norm_num_groups": 8},
    vae={"block_out_channels": (8, 8, 16, 16), "layers_per_block": 1, "norm_num_groups": 4},
    hint=(4, 8, 8, 16),
)


@dataclass(frozen=True, kw_only=True)
class Timing:
    name: str
    seconds: float  # a picture, median
    peak_gib: float | None  # of GPU memory
    difference: float | None = None  # largest, of latents, to diffusers' pipeline


class Bench:
    """The random models and one request: noise, text states, a hint."""

    def __init__(self, size: Size, device: str, dtype: torch.dtype, steps: int, cfg: float):
        from diffusers import AutoencoderKL, ControlNetModel, UNet2DConditionModel

        self.size, self.device, self.dtype, self.steps, self.cfg = size, device, dtype, steps, cfg
        torch.manual_seed(0)
        with torch.device(device):
            self.unet = UNet2DConditionModel(
                sample_size=size.latents, cross_attention_dim=size.width, **size.unet
            )
            self.controlnet = ControlNetModel.from_unet(
                self.unet, conditioning_embedding_out_channels=size.hint
            )
            blocks = len(size.vae["block_out_channels"])
            self.vae = AutoencoderKL(
                down_block_types=("DownEncoderBlock2D",) * blocks, up_block_types=("UpDecoderBlock2D",) * blocks,
                latent_channels=4, sample_size=8 * size.latents, **size.vae,
            )  # fmt: skip
            for zero in (*self.controlnet.controlnet_down_blocks, self.controlnet.controlnet_mid_block):
                torch.nn.init.normal_(
                    zero.weight, std=0.02
                )  # zero convolutions would leave nothing to compare
        for model in (self.unet, self.controlnet, self.vae):
            model.to(dtype).eval().requires_grad_(False)
        generator = torch.Generator("cpu").manual_seed(1)

        def draw(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator).to(device, dtype)

        self.noise = draw(1, 4, size.latents, size.latents)
        self.uncond, self.cond = draw(1, TOKENS, size.width), draw(1, TOKENS, size.width)
        side = 8 * size.latents
        self.hint = torch.rand((1, 3, side, side), generator=generator).to(device, dtype)

    # --- diffusers --------------------------------------------------------------------------------------

    def diffusers(self, controlled: bool) -> Callable[[], Tensor]:
        """diffusers' pipeline as its users call it, without text encoder: latents."""
        from diffusers import DDIMScheduler, StableDiffusionControlNetPipeline, StableDiffusionPipeline

        parts = {
            "vae": self.vae, "text_encoder": None, "tokenizer": None, "unet": self.unet,
            "scheduler": DDIMScheduler(**SCHEDULER), "safety_checker": None, "feature_extractor": None,
            "requires_safety_checker": False,
        }  # fmt: skip
        kind = StableDiffusionControlNetPipeline if controlled else StableDiffusionPipeline
        pipeline = kind(**parts, **({"controlnet": self.controlnet} if controlled else {}))
        pipeline.set_progress_bar_config(disable=True)
        extra = {"image": self.hint} if controlled else {}
        return lambda: pipeline(
            prompt_embeds=self.cond, negative_prompt_embeds=self.uncond, latents=self.noise.clone(),
            num_inference_steps=self.steps, guidance_scale=self.cfg, output_type="latent", **extra,
        ).images  # fmt: skip

    # --- the engine -------------------------------------------------------------------------------------

    def engine(
        self, *, controlled: bool = False, boost: bool = False, fusion: bool = False, record: bool = False
    ) -> Callable[[], Tensor]:
        """The engine's loop with the asked parts: latents."""
        import numpy as np

        from engine.attention import BoostHand, Recorder
        from engine.denoise import Start, denoise
        from engine.sampler import Sampler
        from engine.structure import ControlBranch, ControlNet, StructuralFusion
        from engine.types import SamplerSpec

        hands = torch.zeros(2, TOKENS, dtype=torch.bool, device=self.device)
        hands[1, list(HAND_TOKENS)] = True
        size = (self.size.latents,) * 2

        def run() -> Tensor:
            controls = [BoostHand().control(hands)] if boost else []
            controls += [Recorder().control(size)] if record else []
            branches = []
            if controlled:
                branches = [
                    ControlBranch(
                        part=ControlNet(),
                        model=self.controlnet,
                        hint=self.hint,
                        size=size,
                        picture=np.zeros((1, 1, 3), np.uint8),
                        fusion=StructuralFusion() if fusion else None,
                    )
                ]
            sampler = Sampler(SamplerSpec(steps=self.steps, cfg=self.cfg), SCHEDULER, self.device)
            generator = torch.Generator("cpu").manual_seed(0)
            steps = denoise(
                self.unet, sampler, Start(latents=self.noise), torch.cat([self.uncond, self.cond]),
                cfg=self.cfg, generator=generator, branches=branches, controls=controls,
            )  # fmt: skip
            for step in steps:
                latents = step.latents
                for control in controls:
                    control.end_step()
            return latents

        return run

    # --- measuring --------------------------------------------------------------------------------------

    def time(self, name: str, run: Callable[[], Tensor], repeats: int, reference: Tensor | None) -> Timing:
        on_gpu = self.device.startswith("cuda")
        latents = run()  # warm-up
        if on_gpu:
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        seconds = []
        for _ in range(repeats):
            began = perf_counter()
            run()
            if on_gpu:
                torch.cuda.synchronize()
            seconds.append(perf_counter() - began)
        difference = None if reference is None else float((latents.float() - reference.float()).abs().max())
        return Timing(
            name=name,
            seconds=statistics.median(seconds),
            peak_gib=torch.cuda.max_memory_allocated() / 2**30 if on_gpu else None,
            difference=difference,
        )


def measure(bench: Bench, repeats: int) -> list[Timing]:
    rows = []
    for controlled, title in ((False, "Stable Diffusion"), (True, "ControlNet")):
        theirs = bench.diffusers(controlled)
        reference = theirs()
        rows.append(bench.time(f"{title}, diffusers", theirs, repeats, None))
        rows.append(bench.time(f"{title}, engine", bench.engine(controlled=controlled), repeats, reference))
    parts = {
        "ControlNet + Recorder": {"record": True},
        "ControlNet + BoostHand": {"boost": True},
        "ControlNet + StructuralFusion": {"fusion": True},
        "SesaHand: all of it": {"record": True, "boost": True, "fusion": True},
    }
    rows += [
        bench.time(name, bench.engine(controlled=True, **on), repeats, None) for name, on in parts.items()
    ]
    return rows


def table(rows: list[Timing]) -> str:
    def number(value: float | None, form: str) -> str:
        return "–" if value is None else format(value, form)

    lines = ["| | s a picture | peak GiB | largest difference |", "|---|---|---|---|"]
    lines += [
        f"| {r.name} | {r.seconds:.3f} | {number(r.peak_gib, '.2f')} | {number(r.difference, '.2g')} |"
        for r in rows
    ]
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> list[Timing]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(argv)
    device = "cpu" if args.tiny else args.device
    dtype = torch.float16 if device.startswith("cuda") else torch.float32
    bench = Bench(TINY if args.tiny else REAL, device, dtype, args.steps, cfg=7.5)
    with torch.inference_mode():
        rows = measure(bench, args.repeats)
    name = torch.cuda.get_device_name() if device.startswith("cuda") else "CPU"
    sys.stdout.write(f"{name}, {str(dtype).removeprefix('torch.')}, {args.steps} steps\n\n{table(rows)}\n")
    if args.json:
        args.json.write_text(json.dumps({"device": name, "rows": [asdict(row) for row in rows]}, indent=1))
    return rows


if __name__ == "__main__":
    main()
