"""A small OpenGL renderer for one person: a key light with soft shadow, fill, rim, skin, painted features.

Everything arrives in the camera's frame (OpenCV axes, metres), so that the picture and the hand meshes
drawn by `engine.render` share one camera. One `Raster` holds one EGL context; make one per process.
"""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.types import Camera

# Material numbers; the order of `Look.colours` and of the shader's cases.
SKIN, CLOTH, HAIR, EYE, OBJECT, FRAME, TROUSERS, HAT = range(8)
MATERIALS = 8
CUT = (CLOTH, HAIR, TROUSERS, HAT)  # whose paint says how far inside their edge they are
SHADERS = Path(__file__).with_name("shaders")
SHADOW_PX = 1024
NEAR_M, FAR_M = 0.05, 20.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Geometry:
    """Triangles of everything in front of the background, one row a vertex."""

    verts: np.ndarray  # (V, 3) m, camera frame
    normals: np.ndarray  # (V, 3) unit
    rest: np.ndarray  # (V, 3) m, where the vertex lies on the resting body: noise and patterns stick to it
    uv: np.ndarray  # (V, 2) texture coordinates, v up
    paint: np.ndarray  # (V, 4) ambient occlusion; palm, or metres inside cloth or hair; flush; material
    faces: np.ndarray  # (F, 3) int


@dataclass(frozen=True, kw_only=True, eq=False)
class Look:
    """Colours (linear RGB) and lights of one picture."""

    colours: np.ndarray  # (8, 3) base colour of each material
    lips: np.ndarray  # (3,)
    iris: np.ndarray  # (3,)
    brows: np.ndarray  # (4,) colour and strength
    trim: np.ndarray  # (4,) second colour of the cloth; kind of pattern (0 none)
    key_dir: np.ndarray  # (3,) unit, from the person towards the light, camera frame
    key: np.ndarray  # (3,) radiance
    fill_dir: np.ndarray  # (3,)
    fill: np.ndarray  # (3,)
    rim_dir: np.ndarray  # (3,)
    rim: np.ndarray  # (3,)
    ambient: np.ndarray  # (3,)
    wrinkles: float = 0.0  # 0 young .. 1 old
    beard: float = 0.0  # 0 shaven .. 1 full
    seed: float = 0.0  # shifts the noise


class Raster:
    """`draw` turns Geometry, Look, Camera and a background into a picture."""

    def __init__(self, *, size_px: int = 256, supersample: int = 2, features: np.ndarray):
        """`features`: (H, W, 4) uint8 atlas over the body's UV: lips, nails, ears, face."""
        os.environ.setdefault("PYOPENGL_PLATFORM", "egl")
        from pyrender.platforms.egl import EGLPlatform

        self.size_px, self.supersample = size_px, supersample
        self._platform = EGLPlatform(size_px, size_px)
        self._platform.init_context()
        self._build(features)

    def draw(self, geometry: Geometry, look: Look, camera: Camera, background: np.ndarray) -> np.ndarray:
        """The picture, (size, size, 3) uint8; `background` has the same shape."""
        from OpenGL import GL as gl
        from PIL import Image

        self._platform.make_current()
        material = geometry.paint[geometry.faces[:, 0], 3].astype(int)
        self._upload(geometry, geometry.faces[np.argsort(material, kind="stable")])
        counts = 3 * np.bincount(material, minlength=MATERIALS)
        light = _light_matrix(geometry.verts, look.key_dir)
        self._draw_shadow(light, counts)
        rgba = self._draw_person(counts, look, camera, light)
        gl.glFinish()
        small = np.asarray(Image.fromarray(rgba).reduce(self.supersample), dtype=np.float32)
        alpha = small[..., 3:] / 255.0  # Pillow averages the colours of covered samples only
        return np.clip(alpha * small[..., :3] + (1 - alpha) * background + 0.5, 0, 255).astype(np.uint8)

    def close(self) -> None:
        self._platform.delete_context()

    # --- set-up -------------------------------------------------------------------------------------

    def _build(self, features: np.ndarray) -> None:
        from OpenGL import GL as gl

        # A program a material: software OpenGL runs both sides of a branch, and discard costs the depth test.
        self._person, self._shadow = (
            [_program(name, material) for material in range(MATERIALS)] for name in ("person", "shadow")
        )
        self._vao = gl.glGenVertexArrays(1)
        gl.glBindVertexArray(self._vao)
        self._buffer, self._index = gl.glGenBuffers(2)
        gl.glBindBuffer(gl.GL_ARRAY_BUFFER, self._buffer)
        gl.glBindBuffer(gl.GL_ELEMENT_ARRAY_BUFFER, self._index)
        offset, stride = 0, 15 * 4
        for place, width in enumerate((3, 3, 3, 2, 4)):
            gl.glEnableVertexAttribArray(place)
            gl.glVertexAttribPointer(place, width, gl.GL_FLOAT, False, stride, _pointer(offset))
            offset += width * 4
        self._features = _texture(features)
        px = self.size_px * self.supersample
        self._frame = _framebuffer(px, px, color=True)
        self._shadow_frame = _framebuffer(SHADOW_PX, SHADOW_PX, color=False)
        gl.glEnable(gl.GL_DEPTH_TEST)

    def _upload(self, geometry: Geometry, faces: np.ndarray) -> None:
        from OpenGL import GL as gl

        columns = (geometry.verts, geometry.normals, geometry.rest, geometry.uv, geometry.paint)
        rows = np.ascontiguousarray(np.concatenate(columns, axis=1), dtype=np.float32)
        faces = np.ascontiguousarray(faces, dtype=np.uint32)
        gl.glBindVertexArray(self._vao)
        gl.glBindBuffer(gl.GL_ARRAY_BUFFER, self._buffer)
        gl.glBufferData(gl.GL_ARRAY_BUFFER, rows.nbytes, rows, gl.GL_STREAM_DRAW)
        gl.glBindBuffer(gl.GL_ELEMENT_ARRAY_BUFFER, self._index)
        gl.glBufferData(gl.GL_ELEMENT_ARRAY_BUFFER, faces.nbytes, faces, gl.GL_STREAM_DRAW)

    # --- passes -------------------------------------------------------------------------------------

    def _draw_shadow(self, light: np.ndarray, counts: np.ndarray) -> None:
        from OpenGL import GL as gl

        gl.glBindFramebuffer(gl.GL_FRAMEBUFFER, self._shadow_frame[0])
        gl.glViewport(0, 0, SHADOW_PX, SHADOW_PX)
        gl.glClear(gl.GL_DEPTH_BUFFER_BIT)
        self._draw_with(self._shadow, {"clip_from_camera": light}, counts)

    def _draw_person(self, counts, look: Look, camera: Camera, light: np.ndarray) -> np.ndarray:
        from OpenGL import GL as gl

        px = self.size_px * self.supersample
        gl.glBindFramebuffer(gl.GL_FRAMEBUFFER, self._frame[0])
        gl.glViewport(0, 0, px, px)
        gl.glClearColor(0, 0, 0, 0)
        gl.glClear(gl.GL_COLOR_BUFFER_BIT | gl.GL_DEPTH_BUFFER_BIT)
        gl.glActiveTexture(gl.GL_TEXTURE0)
        gl.glBindTexture(gl.GL_TEXTURE_2D, self._features)
        gl.glActiveTexture(gl.GL_TEXTURE1)
        gl.glBindTexture(gl.GL_TEXTURE_2D, self._shadow_frame[1])
        values = {
            "clip_from_camera": clip_from_camera(camera), "light_from_camera": light,
            "features": 0, "shadow_map": 1, "colours": look.colours, "lips": look.lips, "iris": look.iris,
            "brows": look.brows, "trim": look.trim, "key_dir": look.key_dir, "key": look.key,
            "fill_dir": look.fill_dir, "fill": look.fill, "rim_dir": look.rim_dir, "rim": look.rim,
            "ambient": look.ambient, "wrinkles": float(look.wrinkles),
            "beard": float(look.beard), "seed": float(look.seed),
        }  # fmt: skip
        self._draw_with(self._person, values, counts)
        gl.glPixelStorei(gl.GL_PACK_ALIGNMENT, 1)
        data = gl.glReadPixels(0, 0, px, px, gl.GL_RGBA, gl.GL_UNSIGNED_BYTE)
        return np.frombuffer(data, dtype=np.uint8).reshape(px, px, 4)[::-1]

    def _draw_with(self, programs: list[int], values: dict, counts: np.ndarray) -> None:
        """Draw the faces, sorted by material, each with its program."""
        from OpenGL import GL as gl

        first = 0
        for program, count in zip(programs, counts.tolist(), strict=True):
            if count == 0:
                continue
            gl.glUseProgram(program)
            for name, value in values.items():
                _uniform(program, name, value)
            gl.glDrawElements(gl.GL_TRIANGLES, count, gl.GL_UNSIGNED_INT, _pointer(4 * first))
            first += count


def clip_from_camera(camera: Camera) -> np.ndarray:
    """(4, 4) OpenGL clip matrix for points in OpenCV's camera frame; pixel centres at +0.5."""
    (fx, skew, cx), (_, fy, cy), _ = camera.K
    w, h = camera.width_px, camera.height_px
    depth, near, far = FAR_M - NEAR_M, NEAR_M, FAR_M
    return np.array(
        [
            [2 * fx / w, 2 * skew / w, 2 * cx / w - 1, 0],
            [0, -2 * fy / h, 1 - 2 * cy / h, 0],
            [0, 0, (far + near) / depth, -2 * far * near / depth],
            [0, 0, 1, 0],
        ]
    )


def _light_matrix(verts: np.ndarray, towards_light: np.ndarray) -> np.ndarray:
    """(4, 4) orthographic clip matrix of a distant light around `verts`."""
    z = -np.asarray(towards_light, dtype=float)
    x = np.cross([0.0, 1.0, 0.0], z)
    x /= np.linalg.norm(x)
    rows = np.stack([x, np.cross(z, x), z])
    seen = verts @ rows.T
    low, high = seen.min(0) - 0.02, seen.max(0) + 0.02
    out = np.eye(4)
    out[:3, :3] = rows * (2 / (high - low))[:, None]
    out[:3, 3] = -(high + low) / (high - low)
    return out


# --- thin helpers over PyOpenGL -----------------------------------------------------------------------


def _program(name: str, material: int) -> int:
    from OpenGL import GL as gl
    from OpenGL.GL import shaders

    stages = [
        shaders.compileShader(_source(f"{name}.{end}", material), kind)
        for end, kind in (("vert", gl.GL_VERTEX_SHADER), ("frag", gl.GL_FRAGMENT_SHADER))
    ]
    program = gl.glCreateProgram()
    for stage in stages:
        gl.glAttachShader(program, stage)
    gl.glLinkProgram(program)
    if not gl.glGetProgramiv(program, gl.GL_LINK_STATUS):
        raise RuntimeError(gl.glGetProgramInfoLog(program).decode())
    return program


def _source(name: str, material: int) -> str:
    version, _, rest = (SHADERS / name).read_text(encoding="utf-8").partition("\n")
    defines = f"#define MATERIAL {material}\n" + ("#define CUT\n" if material in CUT else "")
    return f"{version}\n{defines}{rest}"


@functools.lru_cache(maxsize=256)
def _place(program: int, name: str) -> int:
    from OpenGL import GL as gl

    return gl.glGetUniformLocation(program, name)


def _uniform(program: int, name: str, value) -> None:
    from OpenGL import GL as gl

    place = _place(program, name)
    if isinstance(value, int):
        gl.glUniform1i(place, value)
        return
    if isinstance(value, float):
        gl.glUniform1f(place, value)
        return
    array = np.ascontiguousarray(value, dtype=np.float32)
    if array.shape == (4, 4):
        gl.glUniformMatrix4fv(place, 1, True, array)
    elif array.shape[-1] == 3:
        gl.glUniform3fv(place, array.size // 3, array)
    else:
        gl.glUniform4fv(place, array.size // 4, array)


def _pointer(offset: int):
    import ctypes

    return ctypes.c_void_p(offset)


def _texture(image: np.ndarray) -> int:
    from OpenGL import GL as gl

    texture = gl.glGenTextures(1)
    gl.glBindTexture(gl.GL_TEXTURE_2D, texture)
    h, w = image.shape[:2]
    flipped = np.ascontiguousarray(image[::-1])  # OpenGL's first row is the lowest
    gl.glTexImage2D(gl.GL_TEXTURE_2D, 0, gl.GL_RGBA8, w, h, 0, gl.GL_RGBA, gl.GL_UNSIGNED_BYTE, flipped)
    gl.glGenerateMipmap(gl.GL_TEXTURE_2D)
    gl.glTexParameteri(gl.GL_TEXTURE_2D, gl.GL_TEXTURE_MIN_FILTER, gl.GL_LINEAR_MIPMAP_LINEAR)
    gl.glTexParameteri(gl.GL_TEXTURE_2D, gl.GL_TEXTURE_MAG_FILTER, gl.GL_LINEAR)
    return texture


def _framebuffer(width: int, height: int, *, color: bool) -> tuple[int, int]:
    """(framebuffer, depth texture); the depth texture compares, for shadow look-ups."""
    from OpenGL import GL as gl

    frame = gl.glGenFramebuffers(1)
    gl.glBindFramebuffer(gl.GL_FRAMEBUFFER, frame)
    if color:
        target = gl.glGenRenderbuffers(1)
        gl.glBindRenderbuffer(gl.GL_RENDERBUFFER, target)
        gl.glRenderbufferStorage(gl.GL_RENDERBUFFER, gl.GL_RGBA8, width, height)
        gl.glFramebufferRenderbuffer(gl.GL_FRAMEBUFFER, gl.GL_COLOR_ATTACHMENT0, gl.GL_RENDERBUFFER, target)
    else:
        gl.glDrawBuffer(gl.GL_NONE)
    depth = gl.glGenTextures(1)
    gl.glBindTexture(gl.GL_TEXTURE_2D, depth)
    gl.glTexImage2D(
        gl.GL_TEXTURE_2D, 0, gl.GL_DEPTH_COMPONENT24, width, height, 0,
        gl.GL_DEPTH_COMPONENT, gl.GL_UNSIGNED_INT, None,
    )  # fmt: skip
    gl.glTexParameteri(gl.GL_TEXTURE_2D, gl.GL_TEXTURE_MIN_FILTER, gl.GL_LINEAR)
    gl.glTexParameteri(gl.GL_TEXTURE_2D, gl.GL_TEXTURE_MAG_FILTER, gl.GL_LINEAR)
    gl.glTexParameteri(gl.GL_TEXTURE_2D, gl.GL_TEXTURE_WRAP_S, gl.GL_CLAMP_TO_EDGE)
    gl.glTexParameteri(gl.GL_TEXTURE_2D, gl.GL_TEXTURE_WRAP_T, gl.GL_CLAMP_TO_EDGE)
    gl.glTexParameteri(gl.GL_TEXTURE_2D, gl.GL_TEXTURE_COMPARE_MODE, gl.GL_COMPARE_REF_TO_TEXTURE)
    gl.glFramebufferTexture2D(gl.GL_FRAMEBUFFER, gl.GL_DEPTH_ATTACHMENT, gl.GL_TEXTURE_2D, depth, 0)
    if gl.glCheckFramebufferStatus(gl.GL_FRAMEBUFFER) != gl.GL_FRAMEBUFFER_COMPLETE:
        raise RuntimeError("The OpenGL framebuffer is incomplete.")
    return frame, depth
