from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from engine import tiny, words
from engine.text import (
    GestureFusion,
    GestureSet,
    Mix,
    Prompt,
    SavedEmbedding,
    TextEncoder,
    has_phrase,
    with_phrase,
)
from engine.types import UserError, from_json, to_json

PHRASE = "making ok hand gesture"
TEXT = f"a woman in a red shirt {PHRASE}"


def clip_tokenizer():
    """CLIP's tokenizer with a handful of merges: byte pairs, </w>, padding with the end token."""
    from transformers import CLIPTokenizer
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    letters = list(bytes_to_unicode().values())
    merges = [("h", "a"), ("ha", "n"), ("han", "d</w>"), ("h", "o"), ("ho", "l"), ("hol", "d"), ("i", "n")]
    vocab = [*letters, *(c + "</w>" for c in letters), *("".join(m) for m in merges)]
    vocab += ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={token: i for i, token in enumerate(vocab)}, merges=merges)


@pytest.fixture(scope="module")
def clip():
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(0)
    config = CLIPTextConfig(
        vocab_size=600, hidden_size=tiny.WIDTH, intermediate_size=32, num_hidden_layers=1,
        num_attention_heads=2, max_position_embeddings=40, bos_token_id=520, eos_token_id=521,
        pad_token_id=521,
    )  # fmt: skip
    return TextEncoder(clip_tokenizer(), CLIPTextModel(config).eval(), length=40, zero_padding=False)


@pytest.fixture(params=["bert", "clip"])
def any_encoder(request):
    return request.getfixturevalue({"bert": "encoder", "clip": "clip"}[request.param])


@pytest.fixture
def tuned():
    generator = torch.Generator().manual_seed(3)
    features = {name: torch.rand(63, generator=generator) for name in ("ok", "palm")}
    return GestureSet(
        phrases={"ok": PHRASE, "palm": "making open palm hand gesture"}, features=features, fc_seed=5
    )


@pytest.fixture
def models(encoder, tuned):
    saved = torch.randn(tiny.LENGTH, tiny.WIDTH, generator=torch.Generator().manual_seed(4))
    return SimpleNamespace(
        text=encoder,
        gestures=lambda name: tuned,
        embedding=lambda weights, name: saved,
        remember=lambda key, make: make(),
    )


# --- words ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a man holding a cup in his hand", ["holding", "hand"]),
        ("Two HANDS, ten fingers: a gesture", ["HANDS", "fingers", "gesture"]),
        ("a morning in the building with a ring and nice clothing", []),
        ("a woman painting a wall beside a painting", ["painting"]),
        ("a hand-fan is not handy for a king", ["hand"]),
        ("", []),
    ],
)
def test_hand_words(text, expected):
    assert [text[a:b] for a, b in words.hand_words(text)] == expected


# --- tokens ---------------------------------------------------------------------------------------------


def test_hand_tokens_are_all_sub_tokens_of_hand_words(any_encoder):
    tokens = any_encoder.tokens("a man holding xylophones in his hand")
    assert [tokens.words[i] for i in tokens.hand_words] == ["holding", "hand"]
    ids = any_encoder._tokenize([tokens.text])["input_ids"][0]
    pieces = [any_encoder.tokenizer.convert_ids_to_tokens(ids[i]) for i in tokens.hand_tokens]
    assert "".join(p.replace("</w>", "").replace("##", "") for p in pieces) == "holdinghand"


def test_hand_tokens_never_hit_special_or_padding(any_encoder):
    long = "hand " * 60
    for text in ("", "hand", long):
        tokens = any_encoder.tokens(text)
        assert len(tokens.spans) == any_encoder.length
        assert tokens.spans[0] is None
        assert tokens.truncated == (text == long)
        assert 0 not in tokens.hand_tokens
        assert any_encoder.length - 1 not in tokens.hand_tokens
        assert len(tokens.hand_tokens) == {"": 0, "hand": 1, long: any_encoder.length - 2}[text]


def test_padding_carries_nothing_into_bert_states(encoder):
    states = encoder(["hand", "hand " * 60])
    assert states.shape == (2, tiny.LENGTH, tiny.WIDTH)
    assert not states[0, 3:].any()
    assert states[0, :3].any(-1).all()
    assert states[1].any(-1).all()


def test_batch_equals_one_by_one(any_encoder):
    texts = ["a hand", "", "a man holding a cup"]
    together = any_encoder(texts)
    for i, text in enumerate(texts):
        assert torch.allclose(together[i : i + 1], any_encoder([text]), atol=1e-5)


def test_clip_states_are_those_of_diffusers(clip):
    ids = clip.tokenizer(
        ["a hand"], padding="max_length", max_length=40, truncation=True, return_tensors="pt"
    ).input_ids
    with torch.no_grad():
        assert torch.equal(clip(["a hand"]), clip.model(ids)[0])


def test_the_kept_ending_survives_a_long_text(any_encoder):
    long = "a very " * 60 + "old man " + PHRASE
    fitted = any_encoder.fit(long, PHRASE)
    assert fitted.endswith(PHRASE)
    assert long.startswith(fitted[: -len(PHRASE)].strip())
    assert not any_encoder.tokens(fitted).truncated
    assert any_encoder.tokens(long).truncated
    short = f"a man {PHRASE}"
    assert any_encoder.fit(short, PHRASE) == short


# --- parts ----------------------------------------------------------------------------------------------


def test_prompt_puts_cond_and_uncond_in_their_places(models, encoder):
    text = Prompt(text="a red hand", negative="blue").encode(models)
    assert torch.allclose(text.cond, encoder(["a red hand"]), atol=1e-6)
    assert torch.allclose(text.uncond, encoder(["blue"]), atol=1e-6)
    assert text.hand_mask().nonzero().tolist() == [[0, 3]]


def test_mix_is_the_share_of_plain_text(models):
    prompt = Prompt(text=TEXT)
    learned = SavedEmbedding(weights="imagic", name="x")
    plain = prompt.encode(models).cond
    saved = models.embedding("imagic", "x")[None]
    for share in (0.0, 0.25, 1.0, 1.2):
        mixed = Mix(learned=learned, prompt=prompt, share=share).encode(models)
        assert torch.allclose(mixed.cond, share * plain + (1 - share) * saved, atol=1e-6)
        assert torch.equal(mixed.uncond, prompt.encode(models).uncond)
    assert torch.equal(Mix(learned=learned, prompt=prompt, share=1.0).encode(models).cond, plain)


def fused(models, share=0.0, text=TEXT, **switches):
    learned = GestureFusion(weights="hand1000", gesture="ok", phrase=PHRASE, **switches)
    return Mix(learned=learned, prompt=Prompt(text=text), share=share).encode(models).cond


def test_gesture_fusion_is_the_projection_of_text_and_feature(models, tuned):
    plain = Prompt(text=TEXT).encode(models).cond
    expected = tuned.fusion(tiny.LENGTH, tiny.WIDTH)(plain, tuned.features["ok"])
    assert torch.allclose(fused(models), expected, atol=1e-6)
    zeroed = tuned.fusion(tiny.LENGTH, tiny.WIDTH)(plain, torch.zeros(63))
    assert torch.allclose(fused(models, zero_gesture=True), zeroed, atol=1e-6)
    assert not torch.allclose(zeroed, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("switches", "code"),
    [
        ({"fc_seed": 6}, "fusion_mismatch"),
        ({"fc": "conv1d"}, "fusion_mismatch"),
        ({"feature": "normalised"}, "fusion_mismatch"),
        ({"text": "a woman in a red shirt"}, "phrase_missing"),
    ],
)
def test_what_was_not_tuned_together_is_refused(models, switches, code):
    with pytest.raises(UserError) as error:
        fused(models, **switches)
    assert error.value.code == code


def test_another_gesture_or_phrase_is_refused(models):
    for gesture, phrase, code in (("fist", PHRASE, "gesture_unknown"), ("palm", PHRASE, "phrase_missing")):
        learned = GestureFusion(weights="hand1000", gesture=gesture, phrase=phrase)
        with pytest.raises(UserError) as error:
            Mix(learned=learned, prompt=Prompt(text=TEXT)).encode(models)
        assert error.value.code == code


def test_explicit_settings_that_agree_are_accepted(models):
    assert torch.equal(fused(models, fc="generated", fc_seed=5, feature="literal"), fused(models))


def test_phrases():
    assert has_phrase("A man  Making OK hand gesture.", PHRASE)
    assert not has_phrase("a man making ok hand gestures", PHRASE)
    assert with_phrase("a man.", PHRASE) == f"a man, {PHRASE}"
    assert with_phrase(TEXT, PHRASE) == TEXT
    assert with_phrase("", PHRASE) == PHRASE


def test_parts_survive_json():
    part = Mix(
        learned=GestureFusion(weights="w", gesture="ok", phrase=PHRASE, fc="conv1d"),
        prompt=Prompt(text=TEXT, negative="bad", keep=PHRASE),
        share=0.6,
    )
    assert from_json(to_json(part)) == part
