from __future__ import annotations

from dataclasses import replace

from engine.methods.base import AUTHORS, STRENGTH, WHOSE, Method, base, by_authors
from engine.structure import ControlNet
from engine.types import Plan, Request


def plan(request: Request, *, strength: float = 1.0, whose: str = "ours") -> Plan:
    if whose == AUTHORS:
        return by_authors(base(request, "foundhand"), request)
    control = ControlNet(
        weights="foundhand",
        hint="keypoints",
        hands=request.hands,
        camera=request.camera,
        strength=strength,
        reference=base(request),
    )
    return replace(base(request, "foundhand"), structure=(control,))


METHOD = Method(
    name="foundhand",
    title={"en": "FoundHand, re-trained", "zh": "FoundHand（重训）"},
    summary={
        "en": "Keypoints of the pose and a reference picture steer the features.",
        "zh": "以姿态关键点和参考图引导特征。",
    },
    changes={
        "en": "Structure: control branch on the keypoints, with plain SD's picture as the reference.",
        "zh": "结构：以关键点为条件的控制分支，并以原始 SD 的图片为参考。",
    },
    source={
        "en": "Chen et al., FoundHand, CVPR 2025 (arXiv 2412.02690).",
        "zh": "Chen 等，FoundHand，CVPR 2025（arXiv 2412.02690）。",
    },
    differs={
        "en": "Unless set otherwise not the authors' model: their conditions in a control branch of ours. "
        "Theirs is a transformer of its own on 42 heat-maps, without text.",
        "zh": "默认并非作者的模型：仅在我们的控制分支中使用其条件。原方法是基于 42 张热图的独立模型，不含文本。",
    },
    plan=plan,
    params=(STRENGTH, WHOSE),
    neutral={"strength": 0.0},
    alternatives=({"whose": AUTHORS},),
    needs=("hands",),
)
