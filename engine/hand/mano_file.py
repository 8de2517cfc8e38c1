"""A person's own MANO: MANO_RIGHT.pkl and MANO_LEFT.pkl, read without running what is in them.

A pickle is a program, so it gets nothing to call but numpy's arrays and stand-ins for the other classes that
these files hold, scipy's sparse matrices and chumpy's arrays. A file that asks for anything else is refused.
"""

from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from engine.hand.model import KEYS, MIRROR, HandModel, use_models
from engine.types import Side, UserError

FILES: dict[Side, str] = {"right": "MANO_RIGHT.pkl", "left": "MANO_LEFT.pkl"}
_MAX_BYTES = 64 * 2**20  # MANO's files are 4 MB
_MAX_DEPTH = 8  # of chumpy arrays in each other; MANO's have two
_PYTHON_2 = {"copy_reg": "copyreg", "__builtin__": "builtins"}
_SAME_SHAPES = 1.0  # m over all vertices and coefficients; below it two hands' shape vectors are the same


def use_mano(folder: str | Path) -> None:
    """Pose the MANO in `folder` from now on; a missing side is the other one mirrored."""
    folder = Path(folder).expanduser()
    found = {side: folder / name for side, name in FILES.items() if (folder / name).is_file()}
    if not found:
        raise UserError(
            f"There is no MANO_RIGHT.pkl or MANO_LEFT.pkl in {folder}.", code="no_mano", folder=str(folder)
        )
    models = {side: load_mano(path, side) for side, path in found.items()}
    if len(models) == 2:
        models["left"] = _with_mirrored_shapes(models["left"], models["right"])
    for side, other in (("right", "left"), ("left", "right")):
        if side not in models:
            models[side] = models[other].mirrored()
    use_models(models)


def load_mano(path: Path, side: Side) -> HandModel:
    """The hand in a MANO .pkl."""
    try:
        content = load_pickle(path.read_bytes())
        return HandModel.from_arrays({key: _numbers(content[key]) for key in KEYS}, side)
    except OSError as error:
        raise UserError(f"{path.name} cannot be read.", code="bad_mano", file=path.name) from error
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        raise UserError(
            f"{path.name} is not a hand model; use MANO's file as it came.", code="bad_mano", file=path.name
        ) from error


def load_pickle(data: bytes) -> dict[str, Any]:
    """The dict in a MANO pickle; UserError for what is none."""
    if len(data) > _MAX_BYTES:
        raise UserError("The MANO file is over 64 MB; MANO's own files are 4 MB.", code="bad_mano")
    try:
        content = _Restricted(io.BytesIO(data), encoding="latin1").load()
    except UserError:
        raise
    except Exception as error:  # a broken pickle raises nearly anything
        raise UserError("The MANO file is damaged; use MANO's file as it came.", code="bad_mano") from error
    if not isinstance(content, dict):
        raise UserError("The MANO file holds no hand model; use MANO's file as it came.", code="bad_mano")
    return content


class _Restricted(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        found = _allowed(module, name)
        if found is None:
            wanted = f"{module}.{name}"
            raise UserError(
                f"The MANO file asks for {wanted}, which a hand model never needs, so it was not read; "
                "use the file from MANO's own site.",
                code="unsafe_mano",
                wanted=wanted,
            )
        return found


def _allowed(module: str, name: str) -> Any:
    """What `module`.`name` may be in a MANO file, or None."""
    if module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        return {"_reconstruct": np.zeros(0).__reduce__()[0], "scalar": np.float64(0).__reduce__()[0]}.get(
            name
        )
    if module == "numpy":
        return {"ndarray": np.ndarray, "dtype": np.dtype}.get(name)
    if module.startswith("scipy.sparse"):
        return {"csc_matrix": _CscMatrix, "csr_matrix": _CsrMatrix}.get(name)
    if module == "chumpy" or module.startswith("chumpy."):
        return _ChumpyArray
    return {
        ("_codecs", "encode"): _Latin1,  # how Python 3 writes bytes into a pickle that Python 2 can read
        ("copyreg", "_reconstructor"): _Reconstructor,  # how Python 2 made objects before protocol 2
        ("builtins", "object"): object,
        ("builtins", "set"): set,  # among chumpy's attributes
        ("collections", "OrderedDict"): OrderedDict,
    }.get((_PYTHON_2.get(module, module), name))


class _StandIn:
    """An object of a class that is not wanted here: keeps its attributes and does nothing."""

    def __init__(self, *args: Any):
        self.state: dict[str, Any] = {}

    def __setstate__(self, state: Any) -> None:
        self.state = dict(state)


class _ChumpyArray(_StandIn):
    """chumpy.ch.Ch, which keeps its array as x, or chumpy.reordering.Select, some of another's elements."""

    def numbers(self, depth: int = 0) -> np.ndarray:
        if depth > _MAX_DEPTH:
            raise ValueError("chumpy arrays in each other without end")
        if "x" in self.state:
            return np.asarray(self.state["x"])
        inner = self.state["a"]
        values = inner.numbers(depth + 1) if isinstance(inner, _ChumpyArray) else np.asarray(inner)
        return values.ravel()[np.asarray(self.state["idxs"])].reshape(self.state["preferred_shape"])


class _CscMatrix(_StandIn):
    """scipy.sparse.csc_matrix."""

    def numbers(self) -> np.ndarray:
        rows, columns = self._shape()
        return _dense(self.state, columns, rows).T

    def _shape(self) -> tuple[int, int]:
        rows, columns = self.state["_shape"]
        if not (0 < rows <= 778 and 0 < columns <= 778):
            raise ValueError("not a matrix of a hand model")
        return rows, columns


class _CsrMatrix(_CscMatrix):
    """scipy.sparse.csr_matrix."""

    def numbers(self) -> np.ndarray:
        return _dense(self.state, *self._shape())


def _dense(state: dict[str, Any], rows: int, columns: int) -> np.ndarray:
    """Compressed rows: values data, columns indices, row k from indptr[k] to indptr[k + 1]."""
    out = np.zeros((rows, columns))
    row_of = np.repeat(np.arange(rows), np.diff(state["indptr"]))
    np.add.at(out, (row_of, state["indices"]), state["data"])
    return out


class _Latin1:
    """_codecs.encode for latin1, and nothing else of the codecs."""

    def __new__(cls, text: str, encoding: str) -> bytes:  # type: ignore[misc]
        if encoding != "latin1":
            raise ValueError("only latin1 stands in a MANO file")
        return text.encode("latin1")

    def __setstate__(self, state: Any) -> None:
        raise TypeError("not an object")


class _Reconstructor:
    """copyreg._reconstructor for the stand-ins alone."""

    def __new__(cls, wanted: type, base: type, state: Any) -> Any:  # type: ignore[misc]
        if not (isinstance(wanted, type) and issubclass(wanted, _StandIn) and base is object):
            raise TypeError("only chumpy's and scipy's classes stand in a MANO file")
        return wanted()

    def __setstate__(self, state: Any) -> None:
        raise TypeError("not an object")


def _numbers(value: Any) -> np.ndarray:
    return value.numbers() if isinstance(value, _StandIn) else np.asarray(value)


def _with_mirrored_shapes(left: HandModel, right: HandModel) -> HandModel:
    """The left hand with shape vectors of its own side.

    MANO 1.2's left file holds the right hand's X in its shapedirs: the same betas would widen one hand and
    narrow the other. Where the two are equal they are mirrored here.
    """
    if np.abs(left.shapedirs[:, 0] - right.shapedirs[:, 0]).sum() > _SAME_SHAPES:
        return left
    return replace(left, shapedirs=left.shapedirs * MIRROR[:, None])
