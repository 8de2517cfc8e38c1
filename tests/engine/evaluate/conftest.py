from pathlib import Path

import pytest

from tests.engine.evaluate import toy_world


@pytest.fixture(scope="session")
def corpus(tmp_path_factory) -> Path:
    """Ten training, four validation and ten test pictures of the toy world."""
    folder = tmp_path_factory.mktemp("corpus")
    return toy_world.write_corpus(folder, {"train": 10, "val": 4, "test": 10})
