from __future__ import annotations

from dataclasses import replace

from engine.methods.base import AUTHORS, STRENGTH, WHOSE, Method, base, by_authors
from engine.structure import ControlNet
from engine.types import Plan, Request


def plan(request: Request, *, strength: float = 1.0, whose: str = "ours") -> Plan:
    if whose == AUTHORS:
        return by_authors(base(request, "handbooster"), request)
    control = ControlNet(
        weights="handbooster", hint="normals", hands=request.hands, camera=request.camera, strength=strength
    )
    return replace(base(request, "handbooster"), structure=(control,))


METHOD = Method(
    name="handbooster",
    title={"en": "HandBooster, re-trained", "zh": "HandBooster（重训）"},
    summary={"en": "A normal map of the mesh steers the features.", "zh": "以网格法线图引导特征。"},
    changes={
        "en": "Structure: control branch on the normal map.",
        "zh": "结构：以法线图为条件的控制分支。",
    },
    source={
        "en": "Xu et al., HandBooster, CVPR 2024 (arXiv 2403.18575).",
        "zh": "Xu 等，HandBooster，CVPR 2024（arXiv 2403.18575）。",
    },
    differs={
        "en": "Unless set otherwise not the authors' model: their condition in a control branch of ours. "
        "Theirs works on pixels of 128x128, without text, on pictures from a laboratory.",
        "zh": "默认并非作者的模型：仅在我们的控制分支中使用其条件。原方法为 128x128 像素、无文本。",
    },
    plan=plan,
    params=(STRENGTH, WHOSE),
    neutral={"strength": 0.0},
    alternatives=({"whose": AUTHORS},),
    needs=("hands",),
)
