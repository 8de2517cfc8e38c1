from __future__ import annotations

from dataclasses import replace

from engine.methods.base import STRENGTH, Method, Param, base
from engine.structure import ControlNet
from engine.types import Plan, Request

# Each kind of hint has weights of its own.
WEIGHTS = {"mesh": "controlnet", "depth": "controlnet-depth", "keypoints": "controlnet-keypoints"}


def plan(request: Request, *, strength: float = 1.0, hint: str = "mesh") -> Plan:
    control = ControlNet(
        weights=WEIGHTS[hint], hint=hint, hands=request.hands, camera=request.camera, strength=strength
    )
    return replace(base(request, "controlnet"), structure=(control,))


METHOD = Method(
    name="controlnet",
    title={"en": "ControlNet", "zh": "ControlNet"},
    summary={"en": "The pose as a picture steers the features.", "zh": "以姿态图像引导特征。"},
    changes={
        "en": "Structure: a trained copy of the encoder sees the rendered hand and adds to the features.",
        "zh": "结构：编码器的可训练副本读取渲染的手并加到特征上。",
    },
    source={
        "en": "Zhang et al., Adding Conditional Control to Text-to-Image Diffusion Models, ICCV 2023.",
        "zh": "Zhang 等，Adding Conditional Control to Text-to-Image Diffusion Models，ICCV 2023。",
    },
    differs={
        "en": "The hint is rendered from the pose on the screen instead of estimated from a photo.",
        "zh": "条件图由界面上的姿态渲染，而非从照片估计。",
    },
    plan=plan,
    params=(
        STRENGTH,
        Param(
            name="hint",
            label={"en": "Condition", "zh": "条件图"},
            kind="choice",
            default="mesh",
            choices=tuple(WEIGHTS),
        ),
    ),
    neutral={"strength": 0.0},
    needs=("hands",),
)
