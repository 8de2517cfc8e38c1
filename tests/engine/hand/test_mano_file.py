"""A person's own MANO: files laid out as MANO's, written by Python 2 with chumpy; files that mean harm."""

import io
import os
import pickle
import struct
import sys
import types

import numpy as np
import pytest

from engine.hand import pose_hand, use_mano
from engine.hand.mano_file import load_pickle
from engine.hand.model import ASSET, HandModel, use_models
from engine.types import HandPose, UserError


class Py2Pickler(pickle._Pickler):
    """Writes strings and bytes as Python 2's str, as MANO's files have them."""

    dispatch = dict(pickle._Pickler.dispatch)
    dispatch[type] = pickle._Pickler.save_type  # dill, where something imports it, puts its own there

    def save_str(self, obj):
        data = obj if isinstance(obj, bytes) else obj.encode("latin1")
        self.write(pickle.BINSTRING + struct.pack("<i", len(data)) + data)
        self.memoize(obj)

    dispatch[bytes] = dispatch[str] = save_str


@pytest.fixture
def chumpy(monkeypatch):
    """Modules with chumpy's names, so that pickles name chumpy's classes."""

    class Ch:
        def __init__(self, **state):
            self.__dict__.update(state)

    class Select(Ch):
        pass

    modules = {name: types.ModuleType(name) for name in ("chumpy", "chumpy.ch", "chumpy.reordering")}
    for name, cls in (("chumpy.ch", Ch), ("chumpy.reordering", Select)):
        cls.__module__, cls.__qualname__ = name, cls.__name__
        setattr(modules[name], cls.__name__, cls)
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    return types.SimpleNamespace(Ch=Ch, Select=Select)


def mano_content(chumpy, model):
    """What MANO_RIGHT.pkl holds, with this model's numbers: 3D arrays by chumpy, a sparse regressor."""
    from scipy.sparse import csc_matrix

    shapes = np.concatenate([model.shapedirs.ravel(), np.zeros(7)])
    inner = chumpy.Ch(x=shapes, _dirty_vars=set(), _itr=None)
    select = chumpy.Select(a=inner, idxs=np.arange(model.shapedirs.size), preferred_shape=(778, 3, 10))
    with np.load(ASSET) as data:
        components, kintree = data["hands_components"], data["kintree_table"]
    return {
        "hands_components": components.astype(float), "hands_mean": np.full(45, 0.1),
        "hands_coeffs": np.zeros((1, 45)), "bs_type": "lrotmin", "bs_style": "lbs",
        "f": model.faces.astype(np.uint32), "J_regressor": csc_matrix(model.J_regressor),
        "kintree_table": kintree, "J": model.J_regressor @ model.v_template,
        "weights": model.weights, "v_template": model.v_template,
        "posedirs": chumpy.Ch(x=model.posedirs), "shapedirs": select,
    }  # fmt: skip


def dump(content, path, protocol):
    buffer = io.BytesIO()
    Py2Pickler(buffer, protocol, fix_imports=True).dump(content)
    data = buffer.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    path.write_bytes(data.replace(b"scipy.sparse._csc", b"scipy.sparse.csc"))


@pytest.fixture(autouse=True)
def shipped_hand_afterwards():
    yield
    use_models({})


@pytest.mark.parametrize("protocol", [0, 2])
def test_a_real_layout_drops_in(tmp_path, chumpy, protocol):
    own = HandModel.load("right")
    object.__setattr__(own, "v_template", own.v_template * 1.1)
    dump(mano_content(chumpy, own), tmp_path / "MANO_RIGHT.pkl", protocol)
    hand = HandPose(hand_pose=(0.1,) * 45, betas=(0.5,) * 10)
    shipped = pose_hand(hand).verts
    use_mano(tmp_path)
    expected = own.shape(hand.betas).pose(hand.hand_pose)
    np.testing.assert_allclose(pose_hand(hand).verts, expected.verts, atol=1e-9)
    assert np.abs(expected.verts - shipped).max() > 0.005
    left = HandPose(side="left", betas=hand.betas)
    np.testing.assert_allclose(
        pose_hand(left).verts, own.shape(hand.betas).pose().verts * [-1, 1, 1], atol=1e-9
    )
    use_models({})
    np.testing.assert_array_equal(pose_hand(hand).verts, shipped)


def test_the_left_files_shape_vectors_are_mirrored(tmp_path, chumpy):
    right, left = HandModel.load("right"), HandModel.load("left")
    object.__setattr__(left, "shapedirs", left.shapedirs * [[-1], [1], [1]])  # as in MANO 1.2
    dump(mano_content(chumpy, right), tmp_path / "MANO_RIGHT.pkl", 2)
    dump(mano_content(chumpy, left), tmp_path / "MANO_LEFT.pkl", 2)
    use_mano(tmp_path)
    betas = (1.0, -1.0, *(0.5,) * 8)
    np.testing.assert_allclose(
        pose_hand(HandPose(side="left", betas=betas)).verts,
        pose_hand(HandPose(betas=betas)).verts * [-1, 1, 1],
        atol=1e-6,
    )


class Harm:
    """A pickle that would run a command."""

    def __init__(self, function, *args):
        self.reduced = (function, args)

    def __reduce__(self):
        return self.reduced


@pytest.mark.parametrize("protocol", [0, 2, 4])
@pytest.mark.parametrize("function", [os.system, eval, __import__, getattr, np.load, np.fromfile, io.open])
def test_other_callables_are_refused_before_they_run(tmp_path, function, protocol):
    witness = tmp_path / "run"
    data = pickle.dumps({"f": Harm(function, f"touch {witness}")}, protocol)
    with pytest.raises(UserError, match=r"asks for .*, which a hand model never needs"):
        load_pickle(data)
    assert not witness.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"cnumpy\nload\n.",
        b"cnumpy.core.multiarray\nfromfile\n.",
        b"cscipy.sparse._csc\nos\n.",
        b"ccopy_reg\n__newobj__\n.",
        b"c__builtin__\neval\n.",
        b"\x8c\x05numpy\x8c\x11ndarray.__class__\x93.",
        b"\x8c\x06chumpy\x8c\x0b__class__.x\x93N.",
    ],
)
def test_no_way_round(data):
    with pytest.raises(UserError):
        load_pickle(data)


def test_stand_ins_cannot_be_changed_or_used_to_build_others():
    for data in (
        b"c_codecs\nencode\n}X\x01\x00\x00\x00aNsb.",  # set attributes on what stands for encode
        b"ccopy_reg\n_reconstructor\n(cnumpy\nndarray\nc__builtin__\nobject\nNtR.",
        b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x03\x00\x00\x00hextR.",
    ):
        with pytest.raises(UserError, match="damaged"):
            load_pickle(data)


@pytest.mark.parametrize("data", [b"", b"not a pickle", pickle.dumps([1, 2]), pickle.dumps({"f": 1})[:-3]])
def test_broken_files_are_one_sentence(data):
    with pytest.raises(UserError, match="MANO"):
        load_pickle(data)


def test_missing_parts_are_one_sentence(tmp_path, chumpy):
    with pytest.raises(UserError, match="There is no MANO_RIGHT"):
        use_mano(tmp_path)
    content = mano_content(chumpy, HandModel.load())
    del content["weights"]
    dump(content, tmp_path / "MANO_RIGHT.pkl", 2)
    with pytest.raises(UserError, match=r"MANO_RIGHT\.pkl is not a hand model"):
        use_mano(tmp_path)
    content["weights"] = np.zeros((3, 3))
    dump(content, tmp_path / "MANO_RIGHT.pkl", 2)
    with pytest.raises(UserError, match="weights"):
        use_mano(tmp_path)


def test_a_chumpy_loop_ends(tmp_path, chumpy):
    content = mano_content(chumpy, HandModel.load())
    loop = chumpy.Select(idxs=np.arange(3), preferred_shape=(3,))
    loop.a = loop
    content["shapedirs"] = loop
    dump(content, tmp_path / "MANO_RIGHT.pkl", 2)
    with pytest.raises(UserError, match="not a hand model"):
        use_mano(tmp_path)
