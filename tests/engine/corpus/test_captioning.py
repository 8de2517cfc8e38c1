"""Captioners through transformers, at toy size, and the gesture's phrase put into captions."""

from __future__ import annotations

import numpy as np
import pytest

from engine.corpus.captioning import CAPTIONERS, captioner, inject_phrase, rewrite
from engine.types import UserError

PHRASE = "making ok hand gesture"


@pytest.mark.parametrize(
    ("caption", "rest"),
    [
        ("a man sitting on a bed with his hand up", "a man sitting on a bed"),
        ("a woman in a red shirt giving a thumbs up", "a woman in a red shirt"),
        ("a man holding up three fingers in a kitchen", "a man in a kitchen"),
        ("a person making a peace sign, in a park", "a person, in a park"),
        ("a woman in front of a blue wall", "a woman in front of a blue wall"),
        ("a man in a hat making ok hand gesture", "a man in a hat"),
        ("her hand raised", "a person"),
    ],
)
def test_the_rules_replace_what_is_said_of_the_hand(caption, rest):
    text = inject_phrase(caption, PHRASE)
    assert text == f"{rest}, {PHRASE}"
    assert text.count(PHRASE) == 1


def test_injecting_twice_changes_nothing():
    once = inject_phrase("a man waving his hand by a window", PHRASE)
    assert inject_phrase(once, PHRASE) == once


class Model:
    def __init__(self, answer: str):
        self.reply, self.asked = answer, []

    def answer(self, messages):
        self.asked.append(messages)
        return self.reply


@pytest.mark.parametrize(
    ("answer", "want"),
    [
        (f'"A man on a bed {PHRASE}."', f"A man on a bed {PHRASE}"),
        ("A man on a bed waving.", f"a man on a bed, {PHRASE}"),  # the phrase is not there: the rules answer
        (f"{PHRASE} and {PHRASE}", f"a man on a bed, {PHRASE}"),
    ],
)
def test_a_language_model_rewrites(monkeypatch, answer, want):
    model = Model(answer)
    monkeypatch.setattr("engine.semantics.language_model", lambda backend: model)
    assert rewrite("a man on a bed with his hand up", PHRASE, "endpoint") == want
    system, user = model.asked[0]
    assert PHRASE in system["content"]
    assert user["content"] == "a man on a bed with his hand up"


def test_an_unknown_captioner_is_refused():
    with pytest.raises(UserError, match="vit-gpt2"):
        captioner("clever")


def test_a_missing_model_is_said(tmp_path):
    with pytest.raises(UserError, match="not on this machine"):
        captioner("blip2", model=str(tmp_path))([np.zeros((8, 8, 3), np.uint8)])


def test_every_loader_is_in_transformers():
    import transformers

    assert all(hasattr(transformers, spec.loader) for spec in CAPTIONERS.values())


@pytest.fixture(scope="module")
def toy_model(tmp_path_factory):
    """A ViT-GPT2 of a few thousand random weights, saved as a checkpoint is."""
    import tokenizers
    from transformers import (
        GPT2Config,
        GPT2LMHeadModel,
        PreTrainedTokenizerFast,
        VisionEncoderDecoderModel,
        ViTConfig,
        ViTImageProcessor,
        ViTModel,
    )  # fmt: skip

    folder = tmp_path_factory.mktemp("vit-gpt2")
    vocabulary = {"<end>": 0, **{f"word{i}": i for i in range(1, 20)}}
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="<end>"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    special = {"eos_token": "<end>", "pad_token": "<end>", "bos_token": "<end>"}
    PreTrainedTokenizerFast(tokenizer_object=words, **special).save_pretrained(folder)
    ViTImageProcessor(size={"height": 16, "width": 16}).save_pretrained(folder)
    small = {"num_hidden_layers": 1, "num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 16}
    see = ViTModel(ViTConfig(image_size=16, patch_size=8, **small))
    say = GPT2LMHeadModel(
        GPT2Config(vocab_size=20, n_embd=16, n_layer=1, n_head=2, n_positions=32, add_cross_attention=True,
                   bos_token_id=0, eos_token_id=0)
    )  # fmt: skip
    model = VisionEncoderDecoderModel(encoder=see, decoder=say)
    model.config.decoder_start_token_id = model.generation_config.decoder_start_token_id = 0
    model.config.pad_token_id = model.generation_config.pad_token_id = 0
    model.save_pretrained(folder)
    return str(folder)


def test_a_captioner_runs(toy_model):
    describe = captioner("vit-gpt2", model=toy_model)
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (20, 30, 3), dtype=np.uint8) for _ in range(3)]
    texts = describe(images)
    assert len(texts) == 3
    assert all(set(text.split()) <= {f"word{i}" for i in range(1, 20)} for text in texts)
    assert describe(images) == texts
    assert describe(images[::-1]) == texts[::-1]


class Processor:
    """What a prompted model's processor does, with the tokens standing in for text."""

    def __init__(self):
        self.texts: list[str] = []

    def __call__(self, images, text, return_tensors, padding):
        import torch

        self.texts = text
        return {
            "pixel_values": torch.zeros(len(images), 3, 4, 4),
            "input_ids": torch.ones(len(images), 5).long(),
        }

    def apply_chat_template(self, turns, add_generation_prompt):
        return f"<chat>{turns[0]['content'][1]['text']}"

    def batch_decode(self, tokens, skip_special_tokens):
        return [" ".join(map(str, row.tolist())) + " ." for row in tokens]


class Decoder:
    def generate(self, input_ids, pixel_values, **settings):
        import torch

        self.settings = settings
        return torch.cat([input_ids, torch.full((len(input_ids), 2), 7)], dim=1)  # repeats the question


@pytest.mark.parametrize(("name", "prompt"), [("paligemma", "caption"), ("llava", "<chat>Describe")])
def test_a_prompted_captioner_answers_without_its_question(name, prompt):
    describe = captioner(name)
    processor, model = Processor(), Decoder()
    describe.__dict__["_loaded"] = (model, processor)
    assert describe([np.zeros((8, 8, 3), np.uint8)] * 2) == ["7 7", "7 7"]
    assert all(text.startswith(prompt) for text in processor.texts)
    assert model.settings["max_new_tokens"] == CAPTIONERS[name].new_tokens
    assert model.settings["do_sample"] is False
