from __future__ import annotations

from engine.methods.base import TUNED, Method
from engine.methods.imagic import SHARE, mixed
from engine.types import Plan, Request


def plan(request: Request, *, share: float = 0.8, tuned: bool = True) -> Plan:
    return mixed(request, "sd_ft_imagic", share, tuned)


METHOD = Method(
    name="sd_ft_imagic",
    title={"en": "Fine-tuned SD + Imagic", "zh": "微调 SD + Imagic"},
    summary={"en": "Imagic, begun from the fine-tuned weights.", "zh": "从微调权重开始的 Imagic。"},
    changes={
        "en": "Text and weights as Imagic's, both made from the fine-tuned weights.",
        "zh": "文本与权重同 Imagic，但均从微调权重出发。",
    },
    source={
        "en": "A baseline of the Hand1000 paper (its Fig. 5).",
        "zh": "Hand1000 论文的基线（图 5）。",
    },
    differs={
        "en": "The paper gives no recipe; both steps are those of the two methods it joins.",
        "zh": "论文未给出细节；两个步骤与所结合的方法相同。",
    },
    plan=plan,
    params=(SHARE, TUNED),
    neutral={"share": 1.0, "tuned": False},
    needs=("gesture",),
)
