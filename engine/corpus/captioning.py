"""Captions for pictures without any: captioners behind one interface, and the gesture's phrase put in.

Hand1000 (section 4.4): a captioner describes the picture, a language model puts right what it says of the
gesture. Models load on first use and only from this machine or the hub's cache; without one, rules answer.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from engine.types import UserError

log = logging.getLogger(__name__)


class Captioner(Protocol):
    def __call__(self, images: Sequence[np.ndarray]) -> list[str]:
        """One caption for each (H, W, 3) uint8, in their order."""
        ...


@dataclass(frozen=True, kw_only=True)
class CaptionModel:
    """A captioner of transformers'."""

    model: str  # a name on the hub, or a folder
    loader: str  # the class in transformers
    prompt: str = ""
    chat: bool = False  # the prompt goes through the processor's chat template
    new_tokens: int = 60
    beams: int = 1


CAPTIONERS = {  # Hand1000's three with their settings, and LLaVA, which SesaHand's chain starts from
    "blip2": CaptionModel(model="Salesforce/blip2-opt-2.7b", loader="Blip2ForConditionalGeneration"),
    "paligemma": CaptionModel(
        model="google/paligemma-3b-mix-224", loader="PaliGemmaForConditionalGeneration", prompt="caption",
        new_tokens=100,
    ),
    "vit-gpt2": CaptionModel(
        model="nlpconnect/vit-gpt2-image-captioning", loader="VisionEncoderDecoderModel", new_tokens=16,
        beams=4,
    ),
    "llava": CaptionModel(
        model="llava-hf/llava-v1.6-mistral-7b-hf", loader="LlavaNextForConditionalGeneration", chat=True,
        prompt="Describe the person in the picture, clothes, action and place, in one sentence.",
        new_tokens=80,
    ),
}  # fmt: skip


def captioner(name: str, *, model: str | None = None, device: str = "cpu") -> Captioner:
    """A captioner by name; `model` is a folder or another checkpoint of the same kind."""
    if name not in CAPTIONERS:
        raise UserError(
            f"There is no captioner {name!r}; choose one of {', '.join(CAPTIONERS)}.", code="no_captioner"
        )
    spec = CAPTIONERS[name]
    return _Transformers(spec, model or spec.model, device)


class _Transformers:
    def __init__(self, spec: CaptionModel, model: str, device: str):
        self.spec, self.model, self.device = spec, model, device

    def __call__(self, images: Sequence[np.ndarray]) -> list[str]:
        import torch
        from PIL import Image

        model, processor = self._loaded
        pictures = [Image.fromarray(image) for image in images]
        inputs = {k: v.to(self.device) for k, v in self._inputs(processor, pictures).items()}
        with torch.inference_mode():
            tokens = model.generate(
                **inputs, max_new_tokens=self.spec.new_tokens, num_beams=self.spec.beams, do_sample=False
            )
        asked = inputs["input_ids"].shape[1] if "input_ids" in inputs else 0
        if asked and tokens.shape[1] > asked and torch.equal(tokens[:, :asked], inputs["input_ids"]):
            tokens = tokens[:, asked:]  # decoders repeat the question
        return [_tidy(text) for text in processor.batch_decode(tokens, skip_special_tokens=True)]

    def _inputs(self, processor: Any, pictures: list) -> dict[str, Any]:
        if not self.spec.prompt:
            return dict(processor(images=pictures, return_tensors="pt"))
        prompt = self.spec.prompt
        if self.spec.chat:
            content = [{"type": "image"}, {"type": "text", "text": prompt}]
            turns = [{"role": "user", "content": content}]
            prompt = processor.apply_chat_template(turns, add_generation_prompt=True)
        texts = [prompt] * len(pictures)
        return dict(processor(images=pictures, text=texts, return_tensors="pt", padding=True))

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        """(model, processor)."""
        import transformers

        try:
            model = getattr(transformers, self.spec.loader).from_pretrained(self.model)
            if self.spec.loader == "VisionEncoderDecoderModel":
                processor = _ImageAndTokens(self.model)
            else:
                processor = transformers.AutoProcessor.from_pretrained(self.model)
        except (OSError, ValueError) as error:
            raise UserError(
                f"The captioner {self.model!r} is not on this machine; download it first or give its folder.",
                code="no_captioner",
            ) from error
        return model.to(self.device).eval(), processor


class _ImageAndTokens:
    """A processor of models that come with an image processor and a tokenizer apart."""

    def __init__(self, model: str):
        from transformers import AutoImageProcessor, AutoTokenizer

        self._images = AutoImageProcessor.from_pretrained(model)
        self.batch_decode = AutoTokenizer.from_pretrained(model).batch_decode

    def __call__(self, images: list, return_tensors: str) -> dict[str, Any]:
        return {"pixel_values": self._images(images, return_tensors=return_tensors)["pixel_values"]}


def _tidy(text: str) -> str:
    return " ".join(text.split()).strip(" .") if text else ""


# --- the gesture's phrase -------------------------------------------------------------------------------

_HAND_CLAUSE = re.compile(  # what captioners say of a raised hand; it is replaced by the exact phrase
    r"[,;]?\s*(?:\b(?:and|while|who is|with)\b\s+)?"
    r"(?:"
    r"\b(?:giv|mak|show|hold|do|display|form|flash|rais|put|sign|gestur|wav|point|stick)\w*\b[^,.;]*?"
    r"\b(?:hands?|fingers?|thumbs?|fists?|palms?|signs?|gestures?|peace|salute)\b"
    r"|\b(?:his|her|their|its|a|an|one|both|two|the)\b\s+(?:(?:right|left)\s+)?(?:hands?|fingers?|thumbs?|fists?)\b"
    r")"
    r"(?:\s+(?:up|down|out|raised|open|closed|in the air|to the camera|at the camera|sign|gesture))*",
    re.IGNORECASE,
)


def inject_phrase(caption: str, phrase: str) -> str:
    """`caption` with what it says of the hand replaced by `phrase`, which then stands in it exactly once."""
    kept = _HAND_CLAUSE.sub(" ", caption.replace(phrase, " "))
    kept = re.sub(r"\s+([,.;])", r"\1", " ".join(kept.split())).strip(" ,.;")
    return f"{kept or 'a person'}, {phrase}"


def rewrite(caption: str, phrase: str, backend: str = "rules") -> str:
    """`caption` made to say `phrase` exactly once: by a language model of engine.semantics, or by the rules.

    The rules answer too when the model's sentence does not hold the phrase.
    """
    if backend == "rules":
        return inject_phrase(caption, phrase)
    from engine.semantics import language_model

    answer = _tidy(language_model(backend).answer(_question(caption, phrase)).strip('"'))
    if answer.count(phrase) == 1:
        return answer
    log.info("the language model left the phrase out; the rules stand in")
    return inject_phrase(caption, phrase)


def _question(caption: str, phrase: str) -> list[dict[str, Any]]:
    rule = (
        "You correct captions of pictures. What a caption says of the hand's gesture is wrong or missing. "
        f'If it is wrong, replace it by the phrase "{phrase}"; if it is missing, append the phrase. '
        "The phrase must stand in the sentence exactly as given. Answer with the sentence only."
    )
    return [{"role": "system", "content": rule}, {"role": "user", "content": caption}]
