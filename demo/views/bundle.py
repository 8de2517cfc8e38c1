"""A board as one .zip: pictures, plans, pose, meshes, recording, overlays; and back to a board.

    handlab.json               settings, and per method its plan, words, numbers
    pose.json                  the asked-for hands and camera
    asked-<side>.obj           their meshes
    scene.glb, scene.rrd       the reconstructions, for any glTF viewer and for Rerun
    <method>/image.png         losslessly, as made
    <method>/attention.png     the heat of the hand words
    <method>/hint-<name>.png   what the method was shown
    <method>/heat.npz          heat by word, site and step
    <method>/hand.obj          the hand read from the picture

Reading trusts nothing: sizes are bounded, nothing is unpacked to disk, arrays are read without pickle.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from demo.forms import Settings, settings_from_json
from demo.session import Column, Session
from demo.views.meshes import NamedMesh, aligned_mesh, asked_meshes, colors_of, found_mesh, glb, obj
from demo.views.overlay import HAND_WORDS, blend, word_heat
from demo.views.recording import recording
from engine.types import Plan, Result, UserError, from_json, to_json

_FORMAT = 1
_INDEX = "handlab.json"
_MOST_BYTES = 256 << 20  # unpacked
_MOST_FILES = 2000
_MOST_SIDE_PX = 4096
_PAIR_STEP = 1.15  # of the hand's own extent, from one pair to the next
_PAIRS_ACROSS = 4
_WHEN = (2000, 1, 1, 0, 0, 0)  # the same board gives the same bytes


def write_bundle(session: Session, titles: Mapping[str, str]) -> bytes:
    """The finished columns of `session`; UserError when there are none."""
    columns = [column for column in session.columns.values() if column.result is not None]
    if not columns or session.settings is None:
        raise UserError("There is nothing to download yet; press Generate first.", code="nothing_yet")
    settings = session.settings
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:

        def put(name: str, data: bytes | str) -> None:
            archive.writestr(zipfile.ZipInfo(name, _WHEN), data, zipfile.ZIP_DEFLATED)

        put(
            _INDEX,
            _dump(
                {"format": _FORMAT, "settings": settings.to_json(), "methods": [_about(c) for c in columns]}
            ),
        )
        pose = {
            "hands": to_json(settings.hands),
            "camera": to_json(settings.camera) if settings.camera else None,
        }
        put("pose.json", _dump(pose))
        for mesh in asked_meshes(settings.hands):
            put(f"{mesh.name}.obj", obj(mesh))
        put("scene.glb", glb(scene_meshes(session, titles)))
        put("scene.rrd", recording(session, titles))
        for column in columns:
            for name, data in _files(column).items():
                put(f"{column.method}/{name}", data)
    return buffer.getvalue()


def read_bundle(data: bytes, catalogue: Mapping[str, Any]) -> tuple[Settings, list[Result]]:
    """What `write_bundle` wrote: the settings and each method's result."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            if len(infos) > _MOST_FILES or sum(info.file_size for info in infos) > _MOST_BYTES:
                raise UserError("This .zip is too large to be HandLab's.", code="bad_bundle")
            index = json.loads(archive.read(_INDEX))
            settings = settings_from_json(index["settings"], catalogue)
            results = [_result(archive, about) for about in index["methods"] if about["method"] in catalogue]
    except UserError:
        raise
    except (zipfile.BadZipFile, KeyError, ValueError, TypeError, OSError, RuntimeError, NotImplementedError):
        raise UserError(
            "This file is not a HandLab download; choose a .zip that this page made.", code="bad_bundle"
        ) from None
    return settings, results


def scene_meshes(session: Session, titles: Mapping[str, str], only: str | None = None) -> list[NamedMesh]:
    """A pair a method, in rows: the asked-for hand, see-through, and the found one laid onto it.

    `only` names one method; without any found hand it is the asked-for ones alone.
    """
    hands = session.settings.hands if session.settings else ()
    found = {
        name: column.measured.reconstruction
        for name, column in session.columns.items()
        if column.measured and column.measured.reconstruction and only in (None, name)
    }
    asked = asked_meshes(hands)
    if not hands or not found:
        return asked
    colors = colors_of(titles)
    extent = np.ptp(asked[0].verts, axis=0)
    across = -(-len(found) // -(-len(found) // _PAIRS_ACROSS))
    down = -(-len(found) // across)
    meshes = []
    for place, (name, rec) in enumerate(found.items()):
        pair = (replace(asked[0], name=f"asked-for-{name}"), aligned_mesh(name, rec, hands[0], colors[name]))
        row, column = divmod(place, across)
        shift = _PAIR_STEP * extent * (column - (across - 1) / 2, row - (down - 1) / 2, 0)
        meshes += [replace(mesh, verts=mesh.verts + shift) for mesh in pair]
    return meshes


def _about(column: Column) -> dict[str, Any]:
    result = column.result
    return {
        "method": column.method,
        "plan": result.plan.to_json(),
        "words": list(result.words),
        "hand_words": list(result.hand_words),
        "text_parts": result.text_parts,
        "seconds": result.seconds,
        "weights_hash": result.weights_hash,
        "error_mm": column.reading.error_mm if column.reading else None,
        "floor_mm": column.reading.floor_mm if column.reading else None,
        "hints": list(result.hints),
    }


def _files(column: Column) -> dict[str, bytes | str]:
    result = column.result
    files: dict[str, bytes | str] = {"image.png": _png(result.image)}
    for name, hint in result.hints.items():
        files[f"hint-{name}.png"] = _png(hint)
    heat = word_heat(result, HAND_WORDS)
    if heat is not None:
        files["attention.png"] = _png(blend(result.image, heat))
    arrays = {f"site:{site}": maps for site, maps in result.heat_sites.items()}
    arrays |= {k: v for k in ("heat", "heat_steps", "self_map") if (v := getattr(result, k)) is not None}
    if arrays:
        files["heat.npz"] = _npz(arrays)
    found = column.measured.reconstruction if column.measured else None
    if found is not None:
        files["hand.obj"] = obj(found_mesh(column.method, found, (200, 200, 200)))
    return files


def _result(archive: zipfile.ZipFile, about: dict[str, Any]) -> Result:
    folder = about["method"]
    plan = from_json(about["plan"])
    if not isinstance(plan, Plan):
        raise ValueError("not a plan")
    arrays = _arrays(archive, f"{folder}/heat.npz")
    words = tuple(str(word) for word in about["words"])
    return Result(
        plan=plan,
        image=_picture(archive.read(f"{folder}/image.png")),
        words=words,
        heat=arrays.get("heat"),
        heat_sites={k.removeprefix("site:"): v for k, v in arrays.items() if k.startswith("site:")},
        heat_steps=arrays.get("heat_steps"),
        self_map=arrays.get("self_map"),
        hand_words=tuple(i for i in about["hand_words"] if 0 <= i < len(words)),
        hints={name: _picture(archive.read(f"{folder}/hint-{name}.png")) for name in about["hints"]},
        text_parts={str(k): str(v) for k, v in about["text_parts"].items()},
        seconds=float(about["seconds"]),
        weights_hash=str(about["weights_hash"]),
    )


def _arrays(archive: zipfile.ZipFile, name: str) -> dict[str, np.ndarray]:
    if name not in archive.namelist():
        return {}
    with np.load(io.BytesIO(archive.read(name)), allow_pickle=False) as arrays:
        return {key: arrays[key] for key in arrays.files}


def _picture(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data), formats=("PNG",)) as image:
        if max(image.size) > _MOST_SIDE_PX:
            raise ValueError("picture too large")
        return np.asarray(image.convert("RGB"))


def _png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


def _npz(arrays: dict[str, np.ndarray]) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _dump(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False)
