"""pyrender over EGL, on one thread of its own.

An OpenGL context belongs to the thread that made it, and requests arrive on many: so one thread owns the
context and takes jobs. One renderer serves every size, because deleting a pyrender context terminates the
EGL display for all others.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
from concurrent.futures import Future
from functools import lru_cache

import numpy as np

from engine.render import shading
from engine.render.projection import NEAR_M
from engine.render.surface import Surface
from engine.types import Camera

log = logging.getLogger(__name__)

START_TIMEOUT_S = 60.0  # imports and a context, on a busy machine
RENDER_TIMEOUT_S = 30.0
_creating = threading.Lock()


class GLThread:
    """The thread that owns the context. After its first failure it stays failed and `failure` says why."""

    def __init__(self) -> None:
        self.failure: str | None = None
        self._jobs: queue.SimpleQueue[tuple[Future, Surface, Camera]] = queue.SimpleQueue()
        started: Future[None] = Future()
        # A daemon: a driver that hangs must not keep the program from ending.
        threading.Thread(target=self._work, args=(started,), name="render-gl", daemon=True).start()
        self._wait(started, START_TIMEOUT_S)

    def render(self, scene: Surface, camera: Camera) -> np.ndarray | None:
        """(H, W, 3) uint8, or None when OpenGL has failed, now or before."""
        if self.failure is not None:
            return None
        job: Future[np.ndarray] = Future()
        self._jobs.put((job, scene, camera))
        return self._wait(job, RENDER_TIMEOUT_S)

    def _wait(self, future: Future, timeout_s: float):
        try:
            return future.result(timeout_s)
        except TimeoutError:
            self._fail(f"no answer within {timeout_s:.0f} s")
        except Exception as error:  # a driver may raise anything; whatever it is, ray casting still works
            self._fail(f"{type(error).__name__}: {error}")
        return None

    def _fail(self, reason: str) -> None:
        if self.failure is None:
            self.failure = reason
            log.warning("OpenGL cannot be had (%s); mesh images are ray cast from now on.", reason)

    def _work(self, started: Future[None]) -> None:
        try:
            os.environ.setdefault("PYOPENGL_PLATFORM", "egl")  # read when OpenGL is first imported
            import pyrender

            renderer = pyrender.OffscreenRenderer(64, 64)
        except Exception as error:
            started.set_exception(error)
            return
        started.set_result(None)
        while True:
            job, scene, camera = self._jobs.get()
            try:
                job.set_result(_render(renderer, scene, camera))
            except Exception as error:
                job.set_exception(error)


def gl_thread() -> GLThread:
    """This process's thread; a forked child gets its own, since threads do not survive a fork."""
    with _creating:
        return _gl_thread(os.getpid())


@lru_cache(maxsize=1)
def _gl_thread(pid: int) -> GLThread:
    return GLThread()


def _render(renderer, scene: Surface, camera: Camera) -> np.ndarray:
    """One frame, on the thread that owns `renderer`."""
    import pyrender

    material = pyrender.MetallicRoughnessMaterial(
        baseColorFactor=(*shading.BASE_COLOR, 1.0),
        metallicFactor=shading.METALLIC,
        roughnessFactor=shading.ROUGHNESS,
        alphaMode="OPAQUE",
    )
    flip = np.diag([1.0, -1.0, -1.0])  # OpenCV axes -> OpenGL axes; a half turn, so windings stay
    primitive = pyrender.Primitive(
        positions=scene.verts @ flip,
        normals=scene.normals @ flip,
        indices=scene.faces,
        material=material,
        mode=pyrender.constants.GLTF.TRIANGLES,
    )
    stage = pyrender.Scene(bg_color=(0.0, 0.0, 0.0, 0.0), ambient_light=(shading.AMBIENT,) * 3)
    stage.add(pyrender.Mesh([primitive]))
    (fx, _, cx), (_, fy, cy), _ = camera.K
    far = max(float(scene.verts[:, 2].max()) * 1.1, 10 * NEAR_M)
    stage.add(pyrender.IntrinsicsCamera(fx, fy, cx, cy, znear=NEAR_M, zfar=far), pose=np.eye(4))
    for towards in shading.light_directions() @ flip:
        light = pyrender.DirectionalLight(color=np.ones(3), intensity=shading.LIGHT_INTENSITY)
        stage.add(light, pose=_facing(towards))
    renderer.viewport_width, renderer.viewport_height = camera.width_px, camera.height_px
    image, _ = renderer.render(stage)
    return np.array(image)


def _facing(towards: np.ndarray) -> np.ndarray:
    """(4, 4): a light's pose that shines along -`towards`; OpenGL's lights shine along their own -z."""
    side = np.cross((0.0, 1.0, 0.0), towards)
    side /= np.linalg.norm(side)
    pose = np.eye(4)
    pose[:3, :3] = np.stack([side, np.cross(towards, side), towards], axis=1)
    return pose
