from __future__ import annotations

from dataclasses import replace

from engine.adaptive import Adaptive
from engine.init import Inpaint
from engine.methods.base import STRENGTH, Method, Param, base
from engine.structure import ControlNet
from engine.types import Plan, Request


def plan(request: Request, *, strength: float = 0.55, adaptive: bool = False) -> Plan:
    if adaptive:
        full = plan(request, strength=1.0)
        return replace(full, init=Adaptive(full=full), structure=())
    control = ControlNet(
        weights="handrefiner", hint="depth", hands=request.hands, camera=request.camera, strength=strength
    )
    return replace(
        base(request, "handrefiner"),
        weights="inpainting",
        init=Inpaint(source=base(request), hands=request.hands, camera=request.camera),
        structure=(control,),
    )


ADAPTIVE = Param(
    name="adaptive",
    label={"en": "Adaptive strength", "zh": "自适应强度"},
    kind="bool",
    default=False,
    help={
        "en": "Tries 0.4 to 0.9 and keeps the weakest that is about as near to the mesh as 1.0: up to seven pictures.",
        "zh": "依次尝试 0.4 至 0.9，保留与 1.0 几乎同样贴合网格的最弱强度：最多七张图片。",
    },
)

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
        "en": "The mesh is the one asked for, not one estimated from the bad hand, which is masked as well where "
        "it is found. Without an inpainting UNet (embedded profile) only the latents outside the mask are put "
        "back after each step.",
        "zh": "使用指定的网格，而非从坏手估计；找到的坏手也一并遮住。内置配置没有修补模型：每步仅恢复遮罩外的潜变量。",
    },
    plan=plan,
    params=(replace(STRENGTH, default=0.55), ADAPTIVE),
    needs=("hands",),
)
