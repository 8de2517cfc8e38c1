from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from engine.init import Inpaint
from engine.methods.base import STRENGTH, Method, base
from engine.structure import ControlNet
from engine.types import Plan, Request

ADAPTIVE_STRENGTHS = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
ADAPTIVE_SLACK = 1.15


def plan(request: Request, *, strength: float = 0.55) -> Plan:
    control = ControlNet(
        weights="handrefiner", hint="depth", hands=request.hands, camera=request.camera, strength=strength
    )
    return replace(
        base(request, "handrefiner"),
        weights="inpainting",
        init=Inpaint(source=base(request), hands=request.hands, camera=request.camera),
        structure=(control,),
    )


def adaptive_strength(error_px: Callable[[float], float]) -> float:
    """The weakest strength whose hand is about as near to the mesh as with full control.

    error_px: strength -> 2D distance of the picture's joints from the mesh's. HandRefiner's adaptive mode:
    the first of 0.4 ... 0.9 whose error is under 1.15 times that of 1.0. Up to seven pictures.
    """
    limit = ADAPTIVE_SLACK * error_px(1.0)
    return next((strength for strength in ADAPTIVE_STRENGTHS if error_px(strength) < limit), 1.0)


METHOD = Method(
    name="handrefiner",
    title={"en": "HandRefiner", "zh": "HandRefiner"},
    summary={
        "en": "Paints the hands of the plain picture anew, by a depth map of the mesh.",
        "zh": "依据网格深度图，重绘原始图片中的手。",
    },
    changes={
        "en": "Start: plain SD's picture, masked at the hands. Structure: ControlNet on the hands' depth.",
        "zh": "起点：原始 SD 的图片，遮住手部。结构：以手部深度为条件的 ControlNet。",
    },
    source={
        "en": "Lu et al., HandRefiner, ACM MM 2024 (arXiv 2311.17957), and its published code.",
        "zh": "Lu 等，HandRefiner，ACM MM 2024（arXiv 2311.17957）及其公开代码。",
    },
    differs={
        "en": "The mesh is the one asked for, not one estimated from the bad hand. Without an "
        "inpainting UNet (embedded profile) only the latents outside the mask are put back after each step.",
        "zh": "使用指定的网格，而非从坏手估计。内置配置没有修补模型：每步仅恢复遮罩外的潜变量。",
    },
    plan=plan,
    params=(replace(STRENGTH, default=0.55),),
    needs=("hands",),
)
