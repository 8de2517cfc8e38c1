from __future__ import annotations

from dataclasses import replace

from engine.methods.base import Method, Param, base, phrase_of
from engine.remote import Remote
from engine.text import Prompt, with_phrase
from engine.types import Plan, Request, UserError

MODELS = {"hub": "black-forest-labs/FLUX.1-dev", "openai": "gpt-image-1"}


def plan(request: Request, *, provider: str = "hub", model: str = "") -> Plan:
    model = model.strip() or MODELS[provider]
    if "://" in model:
        raise UserError("Give the model's name, not an address.", code="bad_model")
    text = with_phrase(request.prompt, phrase_of(request.gesture)) if request.gesture else request.prompt
    return replace(
        base(request, "commercial"),
        weights="",
        text=Prompt(text=text, negative=request.negative),
        init=Remote(provider=provider, model=model),
        attention=(),
    )


METHOD = Method(
    name="commercial",
    title={"en": "Outside provider", "zh": "外部服务"},
    summary={
        "en": "A large commercial model, asked in words, with your own token.",
        "zh": "使用你自己的令牌，以文字请求大型商业模型。",
    },
    changes={
        "en": "Everything: another model on another machine. The prompt leaves this one.",
        "zh": "全部：另一台机器上的另一个模型。提示词会离开本机。",
    },
    source={
        "en": "Hugging Face inference providers, or any server that speaks OpenAI's image interface.",
        "zh": "Hugging Face 推理服务，或任何兼容 OpenAI 图像接口的服务器。",
    },
    differs={
        "en": "The SesaHand paper does not name the commercial generators it compares with.",
        "zh": "SesaHand 论文未说明所比较的商业生成器。",
    },
    plan=plan,
    params=(
        Param(
            name="provider",
            label={"en": "Provider", "zh": "服务"},
            kind="choice",
            default="hub",
            choices=tuple(MODELS),
        ),
        Param(name="model", label={"en": "Model", "zh": "模型"}, kind="text", default=""),
    ),
    needs=("token",),
)
