from __future__ import annotations

import pytest
from study_stand_ins import make_prepared

from demo.study.prepared import Library
from demo.study.service import StudyService
from demo.study.store import Store


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    """A folder with the small study prepared."""
    folder = tmp_path_factory.mktemp("studies")
    make_prepared(folder)
    return folder


@pytest.fixture
def store(tmp_path):
    store = Store(f"sqlite:///{tmp_path / 'study.db'}")
    yield store
    store.close()


@pytest.fixture
def service(store, root):
    return StudyService(store, Library(root), token="secret-token")
