from __future__ import annotations

from dataclasses import replace

from engine.methods.base import STRENGTH, Method, base
from engine.structure import ControlNet
from engine.types import Plan, Request


def plan(request: Request, *, strength: float = 1.0) -> Plan:
    control = ControlNet(
        weights="attentionhand", hands=request.hands, camera=request.camera, strength=strength, gray=True
    )
    return replace(base(request, "attentionhand"), structure=(control,))


METHOD = Method(
    name="attentionhand",
    title={"en": "AttentionHand", "zh": "AttentionHand"},
    summary={
        "en": "A control branch on the mesh image, trained with attention to hand words.",
        "zh": "以网格图像为条件的控制分支，训练时增强手部词的注意力。",
    },
    changes={
        "en": "Structure: control branch on the mesh image in gray.",
        "zh": "结构：以灰度网格图像为条件的控制分支。",
    },
    source={
        "en": "Park et al., AttentionHand, ECCV 2024 (arXiv 2407.18034), and its published code.",
        "zh": "Park 等，AttentionHand，ECCV 2024（arXiv 2407.18034）及其公开代码。",
    },
    differs={
        "en": "As the released inference: its text attention stage runs in training only.",
        "zh": "与公开推理代码一致：文本注意力阶段仅在训练时使用。",
    },
    plan=plan,
    params=(STRENGTH,),
    neutral={"strength": 0.0},
    needs=("hands",),
)
