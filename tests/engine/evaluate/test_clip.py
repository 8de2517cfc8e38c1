"""CLIP score on a random CLIP of toy width, in transformers' layout."""

import json

import numpy as np
import pytest

from engine.evaluate.clip import ClipScore
from engine.types import UserError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    import torch
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTokenizer

    path = tmp_path_factory.mktemp("clip")
    torch.manual_seed(0)
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    letters = [*"abcdehdlnrtu", *(c + "</w>" for c in "abcdehdlnrtu")]
    vocabulary = dict.fromkeys([*letters, "<|startoftext|>", "<|endoftext|>"])
    (path / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(vocabulary)}))
    (path / "merges.txt").write_text("#version: 0.2\n")
    CLIPTokenizer(str(path / "vocab.json"), str(path / "merges.txt")).save_pretrained(path)
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(
        path
    )
    last = len(vocabulary) - 1
    config = CLIPConfig(
        text_config={**small, "vocab_size": last + 1, "bos_token_id": last - 1, "eos_token_id": last},
        vision_config={**small, "image_size": 32, "patch_size": 8},
        projection_dim=16,
    )
    CLIPModel(config).save_pretrained(path)
    return path


def test_score_is_the_cosine_of_the_embeddings(folder):
    import torch
    from transformers import AutoTokenizer, CLIPImageProcessor, CLIPModel

    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (40, 50, 3), dtype=np.uint8) for _ in range(20)]  # more than a batch
    texts = ["a hand" if i % 2 else "a red ball under a hand" for i in range(20)]
    scores = ClipScore(folder)(images, texts)
    model = CLIPModel.from_pretrained(folder).eval()
    tokenizer, processor = AutoTokenizer.from_pretrained(folder), CLIPImageProcessor.from_pretrained(folder)
    with torch.no_grad():
        for i in (0, 1, 19):
            inputs = {
                **tokenizer([texts[i]], return_tensors="pt"),
                **processor([images[i]], return_tensors="pt"),
            }
            cosine = float(model(**inputs).logits_per_image / model.logit_scale.exp())
            assert scores[i] == pytest.approx(max(100 * cosine, 0), abs=1e-3)
    assert scores.std() > 0


def test_missing_weights_say_what_to_fetch(tmp_path):
    with pytest.raises(UserError, match="clip-vit-base-patch32"):
        ClipScore(tmp_path)
