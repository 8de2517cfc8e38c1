from __future__ import annotations

from dataclasses import replace

from engine.methods.base import Method, Param, base
from engine.text import Prompt
from engine.types import Plan, Request

WORDS = "bad hands, missing fingers, extra digit, fewer digits, fused fingers, bad anatomy"


def plan(request: Request, *, words: str = WORDS) -> Plan:
    negative = ", ".join(text for text in (request.negative, words) if text)
    return replace(base(request, "negative"), text=Prompt(text=request.prompt, negative=negative))


METHOD = Method(
    name="negative",
    title={"en": "Negative prompt", "zh": "负面提示词"},
    summary={"en": "Plain SD, told what not to draw.", "zh": "原始 SD，并说明不要画什么。"},
    changes={
        "en": "Text: the unconditional half of the guidance becomes a list of faults of hands.",
        "zh": "文本：引导的无条件部分换成手部缺陷的列表。",
    },
    source={
        "en": "Practice of the model's users; Liu et al., Compositional Visual Generation, ECCV 2022.",
        "zh": "模型用户的通行做法；Liu 等，Compositional Visual Generation，ECCV 2022。",
    },
    differs={
        "en": "The embedded profile's captions never speak of faults, so the words can only confuse it.",
        "zh": "内置配置的训练描述从未提及缺陷，因此这些词只会造成干扰。",
    },
    plan=plan,
    params=(
        Param(name="words", label={"en": "Not in the picture", "zh": "不要出现"}, kind="text", default=WORDS),
    ),
    neutral={"words": ""},
)
