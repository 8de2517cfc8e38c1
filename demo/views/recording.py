"""A Rerun recording of a board: the asked-for hand, and what each method's picture shows of it.

    asked/hand-<side>          the conditioning mesh
    methods/<name>/hand        the mesh read from that picture, in its own camera
    methods/<name>/keypoints   its 21 joints, with bones
    methods/<name>/camera      the pinhole, and under it the picture and the detected keypoints

Pictures lie on the timeline "step": scrubbing it runs the denoising of all methods at once.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping

import numpy as np

from demo.session import Column, Session
from demo.views.meshes import NamedMesh, asked_meshes, colors_of, found_mesh
from engine.types import Camera

_APP = "handlab"
_TIMELINE = "step"
_HAND_CLASS = 1
_IMAGE_PLANE_M = 0.12  # how far from the camera its picture stands in the scene
_JOINT_RADIUS_M = 0.0025
_JPEG_QUALITY = 90


def recording(session: Session, titles: Mapping[str, str]) -> bytes:
    """The .rrd of the board's finished columns; `titles` names the methods, in the registry's order."""
    import rerun as rr

    stream = rr.RecordingStream(_APP, recording_id=str(uuid.uuid4()))
    storage = stream.memory_recording()
    columns = [column for column in session.columns.values() if column.image is not None]
    stream.send_blueprint(_blueprint([column.method for column in columns], titles))
    stream.log("/", rr.ViewCoordinates.RDF, static=True)
    stream.log("/", _bones(), static=True)
    settings = session.settings
    colors = colors_of(titles)
    if settings is not None:
        for mesh in asked_meshes(settings.hands):
            stream.log(f"asked/{mesh.name}", _mesh(mesh), static=True)
    for column in columns:
        _log_column(stream, column, settings.camera if settings else None, colors[column.method])
    return storage.drain_as_bytes()


def _log_column(stream, column: Column, camera: Camera | None, color: tuple[int, ...]) -> None:
    import rerun as rr

    path = f"methods/{column.method}"
    found = column.measured.reconstruction if column.measured else None
    camera = found.camera if found is not None else camera
    height, width = column.image.shape[:2]
    if camera is not None:
        view = camera.resized(width_px=width, height_px=height)
        pinhole = rr.Pinhole(
            image_from_camera=np.array(view.K),
            resolution=[width, height],
            image_plane_distance=_IMAGE_PLANE_M,
        )
        stream.log(f"{path}/camera", pinhole, static=True)
    frames = [*(column.result.previews if column.result else ()), column.image]
    steps = column.result.plan.sampler.steps if column.result else 0
    for index, frame in enumerate(frames):
        stream.set_time(_TIMELINE, sequence=round(steps * (index + 1) / len(frames)))
        stream.log(f"{path}/camera/picture", rr.Image(frame).compress(jpeg_quality=_JPEG_QUALITY))
    if found is None:
        return
    stream.log(f"{path}/hand", _mesh(found_mesh(column.method, found, color)), static=True)
    stream.log(
        f"{path}/keypoints",
        rr.Points3D(
            found.joints, radii=_JOINT_RADIUS_M, class_ids=_HAND_CLASS, keypoint_ids=range(21), colors=color
        ),
        static=True,
    )
    if found.keypoints_px is not None:
        points = rr.Points2D(found.keypoints_px, radii=2, class_ids=_HAND_CLASS, keypoint_ids=range(21))
        stream.log(f"{path}/camera/keypoints", points, static=True)


def _mesh(mesh: NamedMesh):
    import rerun as rr
    import trimesh

    normals = trimesh.Trimesh(mesh.verts, mesh.faces, process=False).vertex_normals
    return rr.Mesh3D(
        vertex_positions=mesh.verts.astype(np.float32),
        triangle_indices=mesh.faces.astype(np.uint32),
        vertex_normals=np.asarray(normals, np.float32),
        albedo_factor=list(mesh.color),
    )


def _bones():
    """How the 21 keypoints hang together."""
    import rerun as rr

    from engine.hand.joints import BONES, OPENPOSE_NAMES

    return rr.AnnotationContext(
        rr.ClassDescription(
            info=rr.AnnotationInfo(id=_HAND_CLASS, label="hand"),
            keypoint_annotations=[
                rr.AnnotationInfo(id=i, label=name) for i, name in enumerate(OPENPOSE_NAMES)
            ],
            keypoint_connections=[(int(a), int(b)) for a, b in BONES],
        )
    )


def _blueprint(methods: list[str], titles: Mapping[str, str]):
    """The scene large, the pictures beside it; panels folded, so that it fits a page."""
    import rerun.blueprint as rrb

    scene = rrb.Spatial3DView(origin="/", name="Scene")
    pictures = [rrb.Spatial2DView(origin=f"methods/{m}/camera", name=titles.get(m, m)) for m in methods]
    body = rrb.Horizontal(scene, rrb.Grid(*pictures), column_shares=[3, 2]) if pictures else scene
    return rrb.Blueprint(body, rrb.TimePanel(timeline=_TIMELINE, state="collapsed"), collapse_panels=True)
