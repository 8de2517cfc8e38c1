from __future__ import annotations

from dataclasses import replace

from engine.attention import BoostHand
from engine.methods.base import STRENGTH, Method, Param, base, phrase_of
from engine.semantics import BACKENDS, analyse
from engine.structure import ControlNet, StructuralFusion
from engine.types import Plan, Request

RAISED = {1: "holding up a hand", 2: "holding up both hands"}  # what a mesh without a gesture shows


def plan(
    request: Request,
    *,
    strength: float = 1.0,
    alpha: float = 2.0,
    semantics: str = "rules",
    fusion: str = "matmul",
    targets: str = "middle",
    transpose: bool = False,
    weights: str = "sesahand",
) -> Plan:
    plain = base(request, "sesahand")
    control = ControlNet(weights=weights, hands=request.hands, camera=request.camera, strength=strength)
    parts = (control,)
    if fusion != "off":
        parts += (StructuralFusion(mode=fusion, targets=targets, transpose=transpose),)
    text = plain.text
    if semantics != "off":
        known = phrase_of(request.gesture) if request.gesture else RAISED[max(1, len(request.hands))]
        text = analyse(request.prompt, hand_action=known, negative=request.negative, backend=semantics)
    return replace(plain, text=text, structure=parts, attention=(BoostHand(alpha=alpha), *plain.attention))


METHOD = Method(
    name="sesahand",
    title={"en": "SesaHand", "zh": "SesaHand"},
    summary={
        "en": "A pose as a mesh, a prompt about the person, and attention drawn to the hands.",
        "zh": "以网格给出姿态，以人物行为改写提示词，并增强对手部的注意力。",
    },
    changes={
        "en": "Text: rewritten in four parts. Structure: control branch on the mesh, refined by its own "
        "self-attention. Attention: hand words boosted in the decoder.",
        "zh": "文本：改写为四部分。结构：以网格为条件的控制分支，用其自注意力融合。注意力：增强手部词。",
    },
    source={
        "en": "Zhao et al., SesaHand, ICLR 2026 (arXiv 2603.00443). No code was published.",
        "zh": "Zhao 等，SesaHand，ICLR 2026（arXiv 2603.00443）。未公开代码。",
    },
    differs={
        "en": "What the paper leaves open is settled as documented: matrix product on the middle output, "
        "union of hand words and verbs, decoder layers. The default extractor works by rule.",
        "zh": "论文未说明处按文档约定：在中间输出上做矩阵乘、手部词与动词取并集、解码器层。默认按规则提取。",
    },
    plan=plan,
    params=(
        STRENGTH,
        Param(
            name="alpha",
            label={"en": "Hand attention α", "zh": "手部注意力 α"},
            kind="float",
            default=2.0,
            minimum=0.0,
            maximum=4.0,
            step=0.1,
            help={
                "en": "Added to the logits of hand words; the paper's best is 2.",
                "zh": "加到手部词的注意力 logits 上；论文最佳值为 2。",
            },
        ),
        Param(
            name="semantics",
            label={"en": "Semantics", "zh": "语义"},
            kind="choice",
            default="rules",
            choices=("off", *BACKENDS),
            help={
                "en": "What rewrites the prompt; off keeps it as written.",
                "zh": "用什么改写提示词；off 保持原样。",
            },
        ),
        Param(
            name="fusion",
            label={"en": "Structural fusion", "zh": "结构融合"},
            kind="choice",
            default="matmul",
            choices=("matmul", "elementwise", "off"),
        ),
        Param(
            name="targets",
            label={"en": "Fused outputs", "zh": "融合的输出"},
            kind="choice",
            default="middle",
            choices=("middle", "deepest", "all"),
        ),
        Param(
            name="transpose",
            label={"en": "Transposed product", "zh": "转置乘积"},
            kind="bool",
            default=False,
        ),
        Param(
            name="weights",
            label={"en": "Control branch", "zh": "控制分支"},
            kind="choice",
            default="sesahand",
            choices=("sesahand", "controlnet"),
            help={
                "en": "controlnet: fusion and boost on a plain ControlNet, without training.",
                "zh": "controlnet：在普通 ControlNet 上直接使用融合与增强，无需训练。",
            },
        ),
    ),
    neutral={"strength": 0.0, "alpha": 0.0, "semantics": "off"},
    baseline=False,
    needs=("hands",),
)
