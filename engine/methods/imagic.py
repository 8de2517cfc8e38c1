from __future__ import annotations

from dataclasses import replace

from engine.methods.base import TUNED, Method, Param, base, phrase_of
from engine.text import Mix, Prompt, SavedEmbedding, with_phrase
from engine.types import Plan, Request


def mixed(request: Request, method: str, share: float, tuned: bool, name: str = "") -> Plan:
    """The optimised embedding of that name, by default the gesture's, mixed with the prompt."""
    phrase = phrase_of(request.gesture)
    entry = f"{method}/{name or request.gesture}"
    learned = SavedEmbedding(weights=entry, name="embedding")
    prompt = Prompt(text=with_phrase(request.prompt, phrase), negative=request.negative, keep=phrase)
    plain = base(request, method)
    return replace(
        plain,
        weights=entry if tuned else plain.weights,
        text=Mix(learned=learned, prompt=prompt, share=share),
    )


def plan(request: Request, *, share: float = 0.8, tuned: bool = True, name: str = "") -> Plan:
    return mixed(request, "imagic", share, tuned, name.strip())


SHARE = Param(
    name="share",
    label={"en": "Share of the prompt", "zh": "提示词占比"},
    kind="float",
    default=0.8,
    minimum=0.0,
    maximum=1.2,
    step=0.05,
    help={
        "en": "Imagic's eta: 1 is the prompt alone, 0 the optimised embedding alone.",
        "zh": "Imagic 的 η：1 只用提示词，0 只用优化后的嵌入。",
    },
)

METHOD = Method(
    name="imagic",
    title={"en": "Imagic", "zh": "Imagic"},
    summary={
        "en": "A text embedding optimised for one picture of the gesture, mixed with the prompt.",
        "zh": "为一张手势图片优化的文本嵌入，与提示词混合。",
    },
    changes={
        "en": "Text: mixed with the optimised embedding. Weights: tuned on that one picture.",
        "zh": "文本：与优化后的嵌入混合。权重：在该图片上微调。",
    },
    source={
        "en": "Kawar et al., Imagic: Text-Based Real Image Editing with Diffusion Models, CVPR 2023.",
        "zh": "Kawar 等，Imagic，CVPR 2023。",
    },
    differs={
        "en": "Made beforehand for one picture a gesture, instead of for the picture to be edited; with the "
        "steps of the notebook that Hand1000 builds on.",
        "zh": "预先为每个手势的一张图片计算，而非针对待编辑的图片；步数与 Hand1000 所基于的代码一致。",
    },
    plan=plan,
    params=(
        SHARE,
        TUNED,
        Param(
            name="name",
            label={"en": "Tuned on", "zh": "所用微调"},
            kind="text",
            default="",
            help={
                "en": "A picture of your own, by the name given when it was tuned; empty: the gesture's.",
                "zh": "你自己图片的微调名称；留空则使用该手势的。",
            },
        ),
    ),
    neutral={"share": 1.0, "tuned": False},
    needs=("gesture",),
)
