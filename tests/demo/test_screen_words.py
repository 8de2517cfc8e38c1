"""Both languages say the same things, and every key that is used exists."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest
import yaml

from demo.i18n import Text, preferred, text
from engine.types import UserError

DEMO = Path(__file__).parents[2] / "demo"
ROOT = DEMO.parent


def words(language):
    return yaml.safe_load((DEMO / "locales" / f"{language}.yaml").read_text(encoding="utf-8"))


def blanks(sentence):
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


def test_the_same_keys_with_the_same_blanks():
    english = words("en")
    chinese = {key: value for key, value in words("zh").items() if not key.startswith("error.")}
    assert english.keys() == chinese.keys()
    for key in english:
        assert blanks(english[key]) == blanks(chinese[key]), key


def test_every_sentence_is_text():
    for language in ("en", "zh"):
        assert all(isinstance(value, str) for value in words(language).values())


def used_keys():
    """Keys that templates and Python name in full."""
    for path in (*(DEMO / "templates").glob("*.html"), *DEMO.glob("*.py"), *DEMO.glob("[chpv]*/*.py")):
        source = path.read_text(encoding="utf-8")
        yield from re.findall(r"""\bt\(\s*["']([a-z_.]+[a-z])["'][,)]""", source)
        for block in re.findall(r"say=\{([^}]*)\}", source):
            yield from re.findall(r'"[a-z]+": "([a-z_.]+)"', block)


def test_every_key_that_is_used_exists():
    used = set(used_keys())
    assert len(used) > 100
    assert used <= words("en").keys()


def test_every_key_is_used():
    sources = "".join(
        path.read_text(encoding="utf-8") for path in DEMO.rglob("*") if path.suffix in (".py", ".html")
    )
    made = (
        "view.",
        "verdict.",
        "chain.",
        "group.",
        "page.",
        "help.",
        "keys.",
        "card.alt.",
        "keypoints.",
    )  # from parts
    unused = [key for key in words("en") if f'"{key}"' not in sources and f"'{key}'" not in sources]
    assert not [key for key in unused if not key.startswith(made)]


def test_every_sentence_of_our_own_errors_is_translated():
    codes = set()
    for path in DEMO.glob("*.py"):
        codes |= set(re.findall(r'code="([a-z_]+)"', path.read_text(encoding="utf-8")))
    for path in (DEMO / "handlers").glob("*.py"):
        codes |= set(re.findall(r'code="([a-z_]+)"', path.read_text(encoding="utf-8")))
    assert codes
    assert {f"error.{code}" for code in codes} <= words("zh").keys()


def test_every_sentence_of_a_run_is_translated():
    """What the engine refuses while a picture is planned or made; not what only a command line meets."""
    engine = DEMO.parent / "engine"
    commands = {"bad_profile", "no_captioner", "worker_failed"}
    paths = [*engine.glob("*.py"), *(engine / "methods").glob("*.py"), *(engine / "render").glob("*.py")]
    sources = (path.read_text(encoding="utf-8") for path in paths if path.name != "fetch.py")
    codes = {code for source in sources for code in re.findall(r'code="([a-z_]+)"', source)} - commands
    assert len(codes) > 30
    assert {f"error.{code}" for code in codes} - words("zh").keys() == set()


def test_an_error_without_translation_or_facts_stays_english():
    t = text("zh")
    assert t.error(UserError("Odd.", code="never_heard_of")) == "Odd."
    assert t.error(UserError("Too long.", code="long_prompt")) == "Too long."
    assert (
        t.error(UserError("Too long.", code="long_prompt", length=3, limit=2))
        == "提示词有 3 个字符，请缩短到 2 个以内。"
    )


@pytest.mark.parametrize(
    ("header", "language"),
    [("zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("de,en;q=0.5", "en"), ("de", "en"), (None, "en"), ("ZH", "zh")],
)
def test_the_browsers_language(header, language):
    assert preferred(header) == language


def test_unknown_keys_and_languages():
    with pytest.raises(KeyError, match="no_such_key"):
        text("en")("no_such_key")
    assert Text("xx").language == "en"
    assert text("zh").pick({"en": "only English"}) == "only English"
    assert text("zh").pick({}) == ""
