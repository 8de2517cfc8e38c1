from __future__ import annotations

from dataclasses import replace

from engine.methods.base import TUNED, Method, base, phrase_of
from engine.text import Prompt, with_phrase
from engine.types import Plan, Request


def plan(request: Request, *, tuned: bool = True) -> Plan:
    phrase = phrase_of(request.gesture)
    plain = base(request, "sd_ft")
    return replace(
        plain,
        weights=f"sd_ft/{request.gesture}" if tuned else plain.weights,
        text=Prompt(text=with_phrase(request.prompt, phrase), negative=request.negative, keep=phrase),
    )


METHOD = Method(
    name="sd_ft",
    title={"en": "Fine-tuned SD", "zh": "微调 SD"},
    summary={"en": "Plain fine-tuning on the gesture's pictures.", "zh": "在手势图片上直接微调。"},
    changes={
        "en": "Weights: tuned on the pictures that Hand1000 sees, with plain captions.",
        "zh": "权重：在 Hand1000 所用图片上以普通描述微调。",
    },
    source={
        "en": "A baseline of the Hand1000 paper (its Fig. 5); the recipe was not published.",
        "zh": "Hand1000 论文的基线（图 5）；其训练细节未公开。",
    },
    differs={
        "en": "Recipe assumed: Hand1000's third stage with unmixed text, same steps and learning rate.",
        "zh": "训练设定为假定：与 Hand1000 第三阶段相同的步数和学习率，文本不混合。",
    },
    plan=plan,
    params=(TUNED,),
    neutral={"tuned": False},
    needs=("gesture",),
)
