from __future__ import annotations

from dataclasses import replace

from engine.methods.base import TUNED, Method, Param, base, phrase_of
from engine.text import GestureFusion, Mix, Prompt, with_phrase
from engine.types import Plan, Request


def plan(request: Request, *, share: float = 0.7, tuned: bool = True, zero_gesture: bool = False) -> Plan:
    phrase = phrase_of(request.gesture)
    entry = f"hand1000/{request.gesture}"
    learned = GestureFusion(weights=entry, gesture=request.gesture, phrase=phrase, zero_gesture=zero_gesture)
    prompt = Prompt(text=with_phrase(request.prompt, phrase), negative=request.negative, keep=phrase)
    plain = base(request, "hand1000")
    return replace(
        plain,
        weights=entry if tuned else plain.weights,
        text=Mix(learned=learned, prompt=prompt, share=share),
    )


METHOD = Method(
    name="hand1000",
    title={"en": "Hand1000", "zh": "Hand1000"},
    summary={
        "en": "A gesture learnt from 1,000 pictures, called up by the text.",
        "zh": "从 1,000 张图片学到的手势，由文本唤起。",
    },
    changes={
        "en": "Text: mixed with a projection of the gesture's mean feature. Weights: tuned on the gesture.",
        "zh": "文本：与手势平均特征的投影混合。权重：在该手势上微调。",
    },
    source={
        "en": "Zhang et al., Hand1000: Generating Realistic Hands from Text with Only 1,000 Images, "
        "AAAI 2025 (arXiv 2408.15461), and its published code.",
        "zh": "Zhang 等，Hand1000，AAAI 2025（arXiv 2408.15461）及其公开代码。",
    },
    differs={
        "en": "The fully connected layer is as random and frozen as in the published code, but kept as a "
        "seed. In the embedded profile each gesture's weights are a small difference of low rank from the base.",
        "zh": "全连接层与公开代码一样随机且冻结，但只保存种子。内置配置中每个手势的权重是相对基础模型的低秩差值。",
    },
    plan=plan,
    params=(
        Param(
            name="share",
            label={"en": "Share of plain text", "zh": "原文本占比"},
            kind="float",
            default=0.7,
            minimum=0.0,
            maximum=1.0,
            step=0.05,
            help={
                "en": "The paper's mu: 1 is the prompt alone, 0 the fused embedding alone.",
                "zh": "论文中的 μ：1 只用提示词，0 只用融合嵌入。",
            },
        ),
        TUNED,
        Param(
            name="zero_gesture",
            label={"en": "Leave the gesture out", "zh": "去除手势特征"},
            kind="bool",
            default=False,
            help={
                "en": "A control: the same projection with the gesture's feature set to zero.",
                "zh": "对照：相同投影，但手势特征置零。",
            },
        ),
    ),
    neutral={"share": 1.0, "tuned": False},
    baseline=False,
    needs=("gesture",),
)
