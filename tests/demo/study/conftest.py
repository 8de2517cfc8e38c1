from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from study_stand_ins import make_prepared

from demo.study.prepared import Library
from demo.study.service import StudyService
from demo.study.store import Store

POSTGRES = "HANDLAB_TEST_POSTGRES"


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    """A folder with the small study prepared."""
    folder = tmp_path_factory.mktemp("studies")
    make_prepared(folder)
    return folder


@pytest.fixture(scope="session")
def postgres(tmp_path_factory):
    """The URL of a PostgreSQL to write in: the one in HANDLAB_TEST_POSTGRES, or one started here."""
    pytest.importorskip("psycopg", reason="the driver is missing: pip install 'psycopg[binary]'")
    if POSTGRES in os.environ:
        yield os.environ[POSTGRES]
        return
    places = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    found = shutil.which("initdb")
    binaries = Path(found).parent if found else max(places, default=None)
    if binaries is None:
        pytest.skip(
            f"PostgreSQL's initdb is missing: install postgresql, or set {POSTGRES} to a database's URL"
        )
    # PostgreSQL refuses to run as root, and its socket's path must be short.
    folder = Path(subprocess.check_output(["mktemp", "-d", "-t", "pg-XXXXXX"], text=True).strip())
    as_user = {}
    if os.geteuid() == 0:
        as_user = {"user": "nobody", "group": "nogroup", "extra_groups": []}
        shutil.chown(folder, "nobody")

    def run(*command: str) -> None:
        subprocess.run(command, check=True, capture_output=True, cwd=folder, timeout=60, **as_user)

    try:
        run(f"{binaries}/initdb", "-D", f"{folder}/data", "-A", "trust", "-U", "handlab", "--no-sync")
        options = f"-k {folder} -c listen_addresses= -c fsync=off"
        run(f"{binaries}/pg_ctl", "-D", f"{folder}/data", "-l", f"{folder}/log", "-o", options, "-w", "start")
        yield f"postgresql://handlab@/postgres?host={folder}"
    finally:
        stop = [f"{binaries}/pg_ctl", "-D", f"{folder}/data", "-m", "immediate", "stop"]
        subprocess.run(stop, check=False, capture_output=True, cwd=folder, **as_user)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgres"])
def url(request, tmp_path):
    """An empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'study.db'}"
        return
    url = request.getfixturevalue("postgres")
    yield url
    from sqlalchemy import text

    from demo.study.tables import Base

    engine = Store(url).engine
    with engine.begin() as connection:
        Base.metadata.drop_all(connection)
        connection.execute(text("DROP TABLE alembic_version"))
    engine.dispose()


@pytest.fixture
def store(tmp_path):
    store = Store(f"sqlite:///{tmp_path / 'study.db'}")
    yield store
    store.close()


@pytest.fixture
def service(store, root):
    return StudyService(store, Library(root), token="secret-token")
