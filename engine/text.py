"""Text parts (Prompt, Mix of a learned embedding and a prompt) and the text encoder they speak to.

A part's verb is encode(models) -> TextCond. Unconditional text is always the plain encoding of the negative
prompt: neither a learned embedding nor a hand token touches it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine import words
from engine.types import UserError, register

if TYPE_CHECKING:
    from torch import Tensor

    from engine.fusion import FCMode, FeatureKind, FusionFC
    from engine.weights import Models


# --- tokens -------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """A text as the encoder sees it: one entry a position, special and padding positions without a span."""

    text: str
    spans: tuple[words.Span | None, ...]
    truncated: bool  # some of the text lies beyond the last position

    @property
    def word_spans(self) -> list[words.Span]:
        return words.words(self.text)

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(self.text[a:b] for a, b in self.word_spans)

    def of(self, spans: Sequence[words.Span]) -> list[list[int]]:
        """For each span of the text, the positions of all its sub-tokens; none where it was cut off."""
        own = [(i, s) for i, s in enumerate(self.spans) if s is not None]
        return [[i for i, (a, b) in own if a < end and b > start] for start, end in spans]

    @property
    def hand_words(self) -> tuple[int, ...]:
        """Indices into `words` of the hand words and verbs in -ing."""
        chosen = set(words.hand_words(self.text))
        return tuple(i for i, span in enumerate(self.word_spans) if span in chosen)

    @property
    def hand_tokens(self) -> tuple[int, ...]:
        """SesaHand's I: the positions of their sub-tokens. Never a special or padding position."""
        return tuple(i for group in self.of(words.hand_words(self.text)) for i in group)


class TextEncoder:
    """A frozen tokenizer and text model as one function from texts to (batch, length, width) states.

    CLIP: padded with its end token, every state used, as Stable Diffusion does. BERT kinds: padding is masked
    inside the model and its states are zeroed, so that no information rides on the number of pads.
    """

    def __init__(self, tokenizer: Any, model: Any, *, length: int, zero_padding: bool):
        self.tokenizer = tokenizer
        self.model = model
        self.length = length
        self.zero_padding = zero_padding

    @property
    def width(self) -> int:
        return self.model.config.hidden_size

    def _tokenize(self, texts: Sequence[str], **options: Any):
        return self.tokenizer(
            list(texts), padding="max_length", truncation=True, max_length=self.length, **options
        )

    def tokens(self, text: str) -> Tokens:
        row = self._tokenize([text], return_offsets_mapping=True, return_special_tokens_mask=True)
        plain = zip(
            row["special_tokens_mask"][0], row["attention_mask"][0], row["offset_mapping"][0], strict=True
        )
        spans = tuple((a, b) if not special and real and b > a else None for special, real, (a, b) in plain)
        return Tokens(text=text, spans=spans, truncated=self.count(text) > self.length)

    def count(self, text: str) -> int:
        """Positions the text needs, special ones included."""
        return len(self.tokenizer(text, truncation=False, verbose=False)["input_ids"])

    def fit(self, text: str, keep: str) -> str:
        """The text with words taken away before its ending `keep` until all fits; unchanged if it does."""
        if not keep or not text.endswith(keep):
            return text
        head = text[: len(text) - len(keep)]
        spans = words.words(head)
        while spans and self.count(head + keep) > self.length:
            head = head[: spans.pop()[0]].rstrip(" ,.;:-") + " "
        return (head + keep).strip()

    def nearest(self, text: str, phrases: dict[str, str]) -> str:
        """The name of the phrase with the largest cosine to the text, of mean token states."""
        import torch

        names = list(phrases)
        texts = [text, *phrases.values()]
        states = self(texts).float()
        real = torch.tensor([[s is not None for s in self.tokens(t).spans] for t in texts]).to(states)
        means = (states * real[..., None]).sum(1) / real.sum(1, keepdim=True).clamp(min=1)
        cosines = torch.cosine_similarity(means[:1], means[1:])
        return names[int(cosines.argmax())]

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """(batch, length, width), in the model's type, on its device."""
        import torch

        batch = self._tokenize(texts, return_tensors="pt").to(self.model.device)
        with torch.no_grad():
            if not self.zero_padding:
                return self.model(batch["input_ids"])[0]
            mask = batch["attention_mask"]
            states = self.model(batch["input_ids"], attention_mask=mask)[0]
            return states * mask[..., None].to(states)


@dataclass(eq=False)
class TextCond:
    """What the UNet is told, and what is needed to speak of its words."""

    cond: Tensor  # (1, length, width)
    uncond: Tensor  # (1, length, width)
    tokens: Tokens
    parts: dict[str, str] = field(default_factory=dict)  # each step of how the text was made, in order

    def hand_mask(self) -> Tensor:
        """(1, length) bool."""
        import torch

        mask = torch.zeros(1, self.cond.shape[1], dtype=torch.bool)
        mask[0, list(self.tokens.hand_tokens)] = True
        return mask


# --- parts --------------------------------------------------------------------------------------------


@register
@dataclass(frozen=True, kw_only=True)
class Prompt:
    """Plain text."""

    text: str
    negative: str = ""
    keep: str = ""  # an ending that must survive a text longer than the encoder takes

    def encode(self, models: Models) -> TextCond:
        text = models.text.fit(self.text, self.keep)
        tokens = models.text.tokens(text)
        cond, uncond = models.text([text, self.negative]).split(1)
        parts = {"prompt": text} if text != self.text else {}
        return TextCond(cond=cond, uncond=uncond, tokens=tokens, parts=parts)


@register
@dataclass(frozen=True, kw_only=True)
class SavedEmbedding:
    """An optimised text embedding (Imagic's first stage), stored beside the weights tuned with it."""

    weights: str  # entry that holds embeddings.safetensors
    name: str  # the tensor in it, (length, width)

    def embed(self, models: Models, text: str, embedding: Tensor) -> Tensor:
        return models.embedding(self.weights, self.name).to(embedding)[None]


@register
@dataclass(frozen=True, kw_only=True)
class GestureFusion:
    """Hand1000's fused embedding e_f = FC([e_t ; mean gesture feature]) (papers/hand1000.md 3, eq. 1).

    None means as the weights were tuned; a value that differs from that is refused, because conditioning
    made with another projection is noise to them.
    """

    weights: str  # entry that holds gestures.json and features.safetensors
    gesture: str
    phrase: str  # must stand in the prompt
    fc: FCMode | None = None
    fc_seed: int | None = None
    feature: FeatureKind | None = None
    zero_gesture: bool = False  # control run (b): the projection without the gesture

    def embed(self, models: Models, text: str, embedding: Tensor) -> Tensor:
        tuned = models.gestures(self.weights)
        self.check(tuned, text)
        feature = tuned.features[self.gesture] * (0.0 if self.zero_gesture else 1.0)

        def fuse() -> Tensor:
            return tuned.fusion(embedding.shape[1], embedding.shape[2])(embedding, feature)

        return models.remember((self, text), fuse)

    def check(self, tuned: GestureSet, text: str) -> None:
        """UserError unless prompt, feature and weights belong together."""
        if self.gesture not in tuned.phrases:
            known = ", ".join(sorted(tuned.phrases))
            raise UserError(
                f"These weights were not tuned on the gesture '{self.gesture}'; they know {known}.",
                code="gesture_unknown",
                gesture=self.gesture,
                known=known,
            )
        phrase = tuned.phrases[self.gesture]
        if self.phrase != phrase or not has_phrase(text, phrase):
            raise UserError(
                f"The prompt must contain '{phrase}', the phrase these weights were tuned with.",
                code="phrase_missing",
                phrase=phrase,
            )
        for name in ("fc", "fc_seed", "feature"):
            asked, trained = getattr(self, name), getattr(tuned, name)
            if asked is not None and asked != trained:
                raise UserError(
                    f"These weights were tuned with {name} = {trained}, not {asked}: choose {trained}, "
                    "or tune weights with the other.",
                    code="fusion_mismatch",
                    name=name,
                    trained=trained,
                    asked=asked,
                )


@dataclass(frozen=True, kw_only=True, eq=False)
class GestureSet:
    """What was tuned together: the content of an entry's gestures.json and features.safetensors."""

    phrases: dict[str, str]  # gesture -> its phrase in every caption
    features: dict[str, Tensor]  # gesture -> (63,) mean feature
    fc: FCMode = "generated"
    fc_seed: int = 0
    feature: FeatureKind = "literal"
    share: float = 0.7  # lambda: the plain text's part of the mix in training
    layer: dict[str, Tensor] = field(default_factory=dict)  # weight, bias: only of an FC that was trained

    def fusion(self, tokens: int, width: int) -> FusionFC:
        from engine.fusion import FusionFC

        fusion = FusionFC(tokens=tokens, width=width, seed=self.fc_seed, mode=self.fc)
        if self.layer:
            fusion.layer.load_state_dict(self.layer)
        return fusion


@register
@dataclass(frozen=True, kw_only=True)
class Mix:
    """share * plain + (1 - share) * learned: Hand1000's mu, Imagic's eta. At 1 it is the prompt, exactly."""

    learned: SavedEmbedding | GestureFusion
    prompt: Any  # a part whose encode gives the plain embedding
    share: float = 0.7

    def encode(self, models: Models) -> TextCond:
        plain = self.prompt.encode(models)
        if self.share != 1:
            learned = self.learned.embed(models, plain.tokens.text, plain.cond)
            plain.cond = self.share * plain.cond + (1 - self.share) * learned
        return plain


def has_phrase(text: str, phrase: str) -> bool:
    """Whether the phrase stands in the text, whatever the case and spacing, as whole words."""
    flat = " ".join(text.lower().split())
    wanted = " ".join(phrase.lower().split())
    at = flat.find(wanted)
    while at >= 0:
        before, after = flat[:at], flat[at + len(wanted) :]
        if not (before and before[-1].isalnum()) and not (after and after[0].isalnum()):
            return True
        at = flat.find(wanted, at + 1)
    return False


def with_phrase(text: str, phrase: str) -> str:
    """The text with the phrase at its end, unless it is there already."""
    if has_phrase(text, phrase):
        return text
    head = text.strip().rstrip(".,;")
    return f"{head}, {phrase}" if head else phrase
