from __future__ import annotations

from engine.methods.base import Method, base

METHOD = Method(
    name="sd",
    title={"en": "Stable Diffusion", "zh": "Stable Diffusion"},
    summary={"en": "Text alone, on the base weights.", "zh": "仅用文本，使用基础权重。"},
    changes={"en": "Nothing: this is what the others are compared with.", "zh": "无：其他方法与之比较。"},
    source={
        "en": "Rombach et al., High-Resolution Image Synthesis with Latent Diffusion Models, CVPR 2022.",
        "zh": "Rombach 等，High-Resolution Image Synthesis with Latent Diffusion Models，CVPR 2022。",
    },
    differs={
        "en": "In the embedded profile: the same architecture, smaller, trained here on rendered pictures.",
        "zh": "内置配置中：结构相同、规模更小，在本项目渲染的图片上训练。",
    },
    plan=base,
)
