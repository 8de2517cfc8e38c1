"""SesaHand's semantic alignment: captioner -> extractor -> composer, and the text part that comes of it.

Four backends behind one interface: `rules` (no model, the default), `endpoint` (any OpenAI-compatible
server), `hub` (huggingface_hub's InferenceClient) and `transformers` (a local model). The chain runs while
a method plans, so that the plan holds the four parts; each step is kept in the result.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from engine import behaviour
from engine.behaviour import Behaviour
from engine.types import UserError, register
from engine.words import hand_words

if TYPE_CHECKING:
    import numpy as np

    from engine.text import TextCond
    from engine.weights import Models

logger = logging.getLogger(__name__)
PROMPTS = Path(__file__).parent.parent / "presets" / "prompts" / "semantics.toml"
BACKENDS = ("rules", "endpoint", "hub", "transformers")
KEYS = ("pose", "action", "hand_action", "environment")
RETRIES = 2  # after the first answer that is not the JSON asked for
MAX_ANSWER_TOKENS = 200


# --- the text part ------------------------------------------------------------------------------------


@register
@dataclass(frozen=True, kw_only=True)
class Semantics:
    """The four-part prompt P_f = Composer(pose, action, hand action, environment)."""

    caption: str  # what the parts were extracted from
    pose: str = ""
    action: str = ""
    hand_action: str = ""
    environment: str = ""
    negative: str = ""
    backend: str = "rules"  # the extractor

    def encode(self, models: Models) -> TextCond:
        from engine.text import Prompt

        parts = Behaviour(**{key: getattr(self, key) for key in KEYS})
        text = compose(parts, fits=lambda t: models.text.count(t) <= models.text.length)
        encoded = Prompt(text=text, negative=self.negative).encode(models)
        encoded.parts = {"caption": self.caption, **asdict(parts), "prompt": text}
        return encoded


def compose(parts: Behaviour, fits: Callable[[str], bool] = lambda text: True) -> str:
    """The parts in their order, joined by commas; where they do not fit, environment goes, then pose."""
    for left_out in ((), ("environment",), ("environment", "pose"), ("environment", "pose", "action")):
        kept = [getattr(parts, key) for key in KEYS if key not in left_out]
        text = ", ".join(part for part in kept if part)
        if fits(text):
            break
    return text


def analyse(caption: str, *, hand_action: str = "", negative: str = "", backend: str = "rules") -> Semantics:
    """The chain on a caption.

    hand_action: what the hands are known to do, the gesture of the mesh. It stands in where the caption says
    nothing of them, so that there is always a hand word to attend to.
    """
    parts = extract(caption, backend)
    found = parts.hand_action
    if not _names_hand(found):
        found = ", ".join(part for part in (found, hand_action) if part)
    return Semantics(
        caption=caption,
        pose=parts.pose,
        action=parts.action,
        hand_action=found,
        environment=parts.environment,
        negative=negative,
        backend=backend,
    )


def _names_hand(text: str) -> bool:
    return any(text[a:b].lower().startswith(("hand", "finger", "gesture")) for a, b in hand_words(text))


# --- extractor ----------------------------------------------------------------------------------------


@lru_cache(maxsize=512)
def extract(caption: str, backend: str = "rules") -> Behaviour:
    """The four parts of a caption. A model that does not answer in the JSON asked for is asked again, twice;
    then the rules answer."""
    if backend == "rules":
        return behaviour.extract(caption)
    model, problem = language_model(backend), ""
    for _ in range(1 + RETRIES):
        try:
            return parse(model.answer(_messages(caption, problem)))
        except ValueError as error:
            problem = str(error)
            logger.info("the extractor's answer is not usable: %s", problem)
    logger.warning("the extractor gave no usable answer; the rules stand in")
    return behaviour.extract(caption)


def parse(answer: str) -> Behaviour:
    """One JSON object with exactly the four keys, all text; ValueError says what is wrong."""
    text = answer.strip()
    if text.startswith("```"):
        text = text.strip("`").removeprefix("json").strip()
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"the answer is not JSON: {error.msg}") from None
    if not isinstance(data, dict) or set(data) != set(KEYS):
        raise ValueError(f"the answer must be one object with the keys {', '.join(KEYS)}")
    if not all(isinstance(value, str) for value in data.values()):
        raise ValueError("every value must be a text")
    return Behaviour(**{key: data[key].strip().rstrip(".") for key in KEYS})


def _messages(caption: str, problem: str = "") -> list[dict[str, Any]]:
    """System rule, examples as turns, the caption; after a bad answer, what was wrong with it."""
    prompts = _prompts()
    messages = [{"role": "system", "content": prompts["extractor"].strip()}]
    for example in prompts["examples"]:
        answer = json.dumps({key: example[key] for key in KEYS}, ensure_ascii=False)
        messages += [
            {"role": "user", "content": example["caption"]},
            {"role": "assistant", "content": answer},
        ]
    ask = (
        caption
        if not problem
        else f"{caption}\n\nYour last answer was refused: {problem}. Only the JSON object."
    )
    return [*messages, {"role": "user", "content": ask}]


@cache
def _prompts() -> dict[str, Any]:
    try:
        import tomllib
    except ModuleNotFoundError:  # Python 3.10
        import tomli as tomllib
    return tomllib.loads(PROMPTS.read_text(encoding="utf-8"))


# --- captioner ----------------------------------------------------------------------------------------


def caption(image: np.ndarray, backend: str) -> str:
    """The first step of the chain on a photo, by a model that sees: (H, W, 3) uint8 -> one paragraph."""
    import base64

    from engine.image import encode

    if backend == "rules":
        raise UserError(
            "Describing a photo needs a vision-language model; set one up or write the prompt.",
            code="no_captioner",
        )
    url = "data:image/webp;base64," + base64.b64encode(encode(image, "webp")).decode()
    content = [
        {"type": "image_url", "image_url": {"url": url}},
        {"type": "text", "text": _prompts()["captioner"].strip()},
    ]
    return " ".join(language_model(backend).answer([{"role": "user", "content": content}]).split())


# --- backends -----------------------------------------------------------------------------------------


class LanguageModel(Protocol):
    def answer(self, messages: list[dict[str, Any]]) -> str:
        """The assistant's text to messages in the chat form of OpenAI's API, at temperature 0."""


@dataclass(frozen=True, kw_only=True)
class Remote:
    """Any OpenAI-compatible server by its URL, or a provider of the hub by the model's name."""

    model: str
    url: str | None = None
    token: str | None = None

    def answer(self, messages: list[dict[str, Any]]) -> str:
        from huggingface_hub import InferenceClient

        client = InferenceClient(
            model=None if self.url else self.model, base_url=self.url, token=self.token, timeout=60
        )
        try:
            reply = client.chat_completion(
                messages, model=self.model, max_tokens=MAX_ANSWER_TOKENS, temperature=0.0
            )
        except Exception as error:  # whatever the network and the provider raise
            raise UserError(
                f"The language model does not answer ({type(error).__name__}); use the rules or try later.",
                code="no_answer",
            ) from error
        return reply.choices[0].message.content or ""


@dataclass(frozen=True, kw_only=True)
class Local:
    """A chat or vision-language model through transformers, by name or folder."""

    model: str

    def answer(self, messages: list[dict[str, Any]]) -> str:
        sees = any(isinstance(message["content"], list) for message in messages)
        pipe = _pipeline("image-text-to-text" if sees else "text-generation", self.model)
        if sees:
            out = pipe(text=_for_transformers(messages), max_new_tokens=MAX_ANSWER_TOKENS, do_sample=False)
        else:
            out = pipe(messages, max_new_tokens=MAX_ANSWER_TOKENS, do_sample=False)
        generated = out[0]["generated_text"]
        return generated if isinstance(generated, str) else generated[-1]["content"]


@lru_cache(maxsize=1)
def _pipeline(task: str, model: str) -> Any:
    from transformers import pipeline

    try:
        return pipeline(task, model=model)
    except (OSError, ValueError) as error:
        raise UserError(
            f"The language model '{model}' cannot be loaded; give the folder of one that is on this machine.",
            code="no_language_model",
        ) from error


def _for_transformers(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """OpenAI's image parts as transformers names them."""

    def part(item: dict[str, Any]) -> dict[str, Any]:
        return {"type": "image", "url": item["image_url"]["url"]} if item["type"] == "image_url" else item

    return [{**message, "content": [part(item) for item in message["content"]]} for message in messages]


def language_model(backend: str) -> LanguageModel:
    """The one that the environment describes: HANDLAB_LLM (a model's name or folder), HANDLAB_LLM_URL,
    HANDLAB_LLM_TOKEN. UserError says which is missing."""
    if backend not in BACKENDS or backend == "rules":
        raise UserError(f"There is no language model '{backend}'.", code="no_language_model")
    name, url = os.environ.get("HANDLAB_LLM", ""), os.environ.get("HANDLAB_LLM_URL", "")
    token = os.environ.get("HANDLAB_LLM_TOKEN")
    missing = [] if name else ["HANDLAB_LLM"]
    if backend == "endpoint" and not url:
        missing.append("HANDLAB_LLM_URL")
    if missing:
        raise UserError(
            f"The semantics backend '{backend}' needs {' and '.join(missing)} to be set when the application "
            "starts.",
            code="no_language_model",
            missing=missing,
        )
    if backend == "transformers":
        return Local(model=name)
    return Remote(model=name, url=url if backend == "endpoint" else None, token=token)
