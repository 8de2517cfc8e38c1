// The picture: three.js scene, lights, ground, the hands' skins, and the two views. The camera always has the
// picture camera's intrinsics, laid out so that the picture's frame sits in the middle of the canvas; the picture
// view is that camera itself, the orbit view walks around the hands with it.
// World coordinates outside this file are the picture camera's (OpenCV); three's are (x, -y, -z).

import {
  AmbientLight, BufferAttribute, BufferGeometry, CanvasTexture, CircleGeometry, Color, DirectionalLight,
  DynamicDrawUsage, Group, HemisphereLight, LineBasicMaterial, LineSegments, Matrix4, Mesh, MeshBasicMaterial,
  MeshPhysicalMaterial, MeshStandardMaterial, NeutralToneMapping, PCFShadowMap, PerspectiveCamera, PlaneGeometry,
  Quaternion, Scene, ShadowMaterial, Vector3, WebGLRenderer,
} from 'three';
import { OrbitControls } from 'three/examples/jsm/controls/OrbitControls.js';

export const FRAME_SHARE = 0.88; // of the canvas' shorter side
const TRAVEL_MS = 420; // from one view to the other
const NEAR = 0.02, FAR = 12; // m
const SKIN = { right: 0xe3ad90, left: 0xd9a78f };

const flip = ([x, y, z]) => new Vector3(x, -y, -z);
const unflip = ({ x, y, z }) => [x, -y, -z];

/** A hand's skin on the GPU: fine vertices and normals rewritten when it moves, colours once. */
class Skin {
  constructor(surface, material, tint) {
    this.surface = surface;
    this.points = new Float32Array(surface.count * 3);
    this.normals = new Float32Array(surface.count * 3);
    this.glow = new Float32Array(surface.count);
    this.geometry = new BufferGeometry();
    const attribute = (name, array, size) => {
      const buffer = new BufferAttribute(array, size);
      buffer.setUsage(DynamicDrawUsage);
      this.geometry.setAttribute(name, buffer);
    };
    attribute('position', this.points, 3);
    attribute('normal', this.normals, 3);
    attribute('glow', this.glow, 1);
    if (tint) this.geometry.setAttribute('color', new BufferAttribute(tint, 3));
    this.geometry.setIndex(new BufferAttribute(surface.faces, 1));
    this.mesh = new Mesh(this.geometry, material);
    this.mesh.frustumCulled = false;
    this.group = new Group().add(this.mesh);
  }

  update(hand, verts) {
    this.group.scale.set(hand.side === 'left' ? -1 : 1, -1, -1);
    this.surface.refine(verts, this.points);
    this.surface.normals(this.points, this.normals);
    this.geometry.attributes.position.needsUpdate = true;
    this.geometry.attributes.normal.needsUpdate = true;
  }

  /** Light up the vertices of the model by `values` (V), 0 to 1. */
  light(values) {
    this.surface.interpolate(values, this.glow);
    this.geometry.attributes.glow.needsUpdate = true;
  }

  dispose() {
    this.geometry.dispose();
    this.mesh.material.dispose();
  }
}

/** Skin that scatters a little: warm towards the terminator and the silhouette, and lit up where selected. */
function skinMaterial(color, plain) {
  const base = { color, roughness: 0.52, vertexColors: true };
  const material = plain
    ? new MeshStandardMaterial(base)
    : new MeshPhysicalMaterial({ ...base, sheen: 0.35, sheenRoughness: 0.5, sheenColor: new Color(0xffc9ae), specularIntensity: 0.45 });
  material.onBeforeCompile = (shader) => {
    shader.vertexShader = shader.vertexShader
      .replace('#include <common>', '#include <common>\nattribute float glow;\nvarying float vGlow;')
      .replace('#include <begin_vertex>', '#include <begin_vertex>\nvGlow = glow;');
    shader.fragmentShader = shader.fragmentShader
      .replace('#include <common>', '#include <common>\nvarying float vGlow;')
      .replace('#include <opaque_fragment>', `
        float facing = saturate(dot(normalize(vViewPosition), normal));
        outgoingLight += diffuseColor.rgb * vec3(0.55, 0.16, 0.10) * pow(1.0 - facing, 2.5);
        outgoingLight = mix(outgoingLight, vec3(1.0, 0.93, 0.82), vGlow * (0.09 + 0.42 * pow(1.0 - facing, 2.0)));
        #include <opaque_fragment>`);
  };
  return material;
}

/** Rest colours: hollows darker and redder, ridges lighter; a blush at fingertips and knuckles. (count * 3) */
export function skinTint(surface, model) {
  const shaped = model.shape(new Array(model.numBetas).fill(0));
  const points = surface.refine(shaped.verts, new Float32Array(surface.count * 3));
  const normals = surface.normals(points, new Float32Array(surface.count * 3));
  const sums = new Float32Array(surface.count * 3), degree = new Uint8Array(surface.count);
  for (let f = 0; f < surface.faces.length; f += 3) {
    for (let k = 0; k < 3; k++) {
      const a = surface.faces[f + k], b = surface.faces[f + ((k + 1) % 3)];
      for (let i = 0; i < 3; i++) sums[a * 3 + i] += points[b * 3 + i];
      degree[a]++;
    }
  }
  const tips = model.tips.map((v) => Array.from(shaped.verts.subarray(v * 3, v * 3 + 3)));
  const warm = [...tips, ...shaped.joints.slice(1)];
  const tint = new Float32Array(surface.count * 3);
  for (let v = 0; v < surface.count; v++) {
    const p = [0, 1, 2].map((i) => points[v * 3 + i]), n = [0, 1, 2].map((i) => normals[v * 3 + i]);
    const size = Math.hypot(...n) || 1;
    const hollow = n.reduce((sum, x, i) => sum + (x / size) * (sums[v * 3 + i] / degree[v] - p[i]), 0) / 0.0006;
    const blush = warm.reduce((sum, c, i) => sum + (i < 5 ? 0.9 : 0.28) * Math.exp(-(Math.hypot(...c.map((x, k) => x - p[k])) ** 2) / (2 * (i < 5 ? 0.008 : 0.009) ** 2)), 0);
    const dark = Math.min(Math.max(hollow, -0.5), 1) * 0.22;
    const red = Math.min(blush, 1) * 0.16;
    tint.set([1 - dark * 0.6 + red * 0.12, 1 - dark - red, 1 - dark - red * 0.85], v * 3);
  }
  return tint;
}

export class Stage {
  /** @param element the viewport @param rig {model, surface, tint} @param plain draw cheaply: no GPU is at work */
  constructor(element, rig, { onFrame, plain }) {
    this.element = element;
    this.plain = plain;
    this.rig = rig;
    this.onFrame = onFrame;
    this.renderer = new WebGLRenderer({ antialias: !plain, alpha: true });
    this.renderer.toneMapping = NeutralToneMapping;
    this.renderer.shadowMap.enabled = !plain;
    this.renderer.shadowMap.type = PCFShadowMap;
    this.renderer.domElement.setAttribute('aria-hidden', 'true');
    element.prepend(this.renderer.domElement);
    this.scene = new Scene();
    this.camera = new PerspectiveCamera(40, 1, NEAR, FAR);
    this.controls = new OrbitControls(this.camera, this.renderer.domElement);
    this.controls.enabled = false;
    this.controls.enablePan = false;
    this.controls.minDistance = 0.12;
    this.controls.maxDistance = 2.5;
    this.controls.addEventListener('change', () => this.invalidate());
    this.view = 'picture';
    this.around = 0; // 0 the picture camera, 1 the orbiting one
    this.accent = new Color();
    this.skins = [];
    this.#furnish();
    this.needsFrame = false;
    this.seen = true;
  }

  #furnish() {
    this.sky = new HemisphereLight(0xffffff, 0xb89a8a, 1.15);
    this.ambient = new AmbientLight(0xffffff, 0.12);
    this.key = new DirectionalLight(0xfff1e2, 2.4);
    this.key.castShadow = !this.plain;
    this.key.shadow.mapSize.set(1024, 1024);
    this.key.shadow.radius = 4;
    this.key.shadow.bias = -0.001;
    this.key.shadow.normalBias = 0.004;
    Object.assign(this.key.shadow.camera, { left: -0.32, right: 0.32, top: 0.32, bottom: -0.32, near: 0.1, far: 2.4 });
    this.fill = new DirectionalLight(0xcfe0ff, 0.55);
    this.rim = new DirectionalLight(0xffffff, 1.1);
    this.wall = new Mesh(new PlaneGeometry(6, 6), new ShadowMaterial({ opacity: 0.2 }));
    this.wall.receiveShadow = true;
    this.ground = new Mesh(new CircleGeometry(0.9, 64), new ShadowMaterial({ opacity: 0.26 }));
    this.ground.rotation.x = -Math.PI / 2;
    this.ground.receiveShadow = true;
    this.floor = new Mesh(new CircleGeometry(0.55, 64), new MeshBasicMaterial({ transparent: true, depthWrite: false, map: ringTexture(this.renderer.capabilities.getMaxAnisotropy()) }));
    this.floor.rotation.x = -Math.PI / 2;
    this.frustum = new LineSegments(new BufferGeometry(), new LineBasicMaterial({ transparent: true, depthWrite: false }));
    this.frustum.frustumCulled = false;
    this.scene.add(this.sky, this.ambient, this.key, this.key.target, this.fill, this.fill.target, this.rim, this.rim.target, this.wall, this.floor, this.ground, this.frustum);
  }

  setTheme(dark) {
    this.sky.intensity = dark ? 0.95 : 1.25;
    this.key.intensity = dark ? 2.5 : 2.3;
    this.rim.intensity = dark ? 1.9 : 0.9;
    this.wall.material.opacity = dark ? 0.4 : 0.13;
    this.lineColor = new Color(dark ? 0x9db2d6 : 0x51627f);
    this.floor.material.color.set(dark ? 0x8fa4c8 : 0x6f82a3);
    this.accent.set(dark ? 0x6ea8ff : 0x2f6fed);
    this.dark = dark;
    this.invalidate();
  }

  setCamera(camera) {
    this.intrinsics = camera;
    this.resize();
  }

  // --- hands ---------------------------------------------------------------------------------------

  /** Show these hands; skins are kept where the side stays the same. */
  setHands(hands) {
    const before = this.skins;
    this.skins = hands.map((hand, i) => {
      const entry = before[i]?.side === hand.side ? before[i] : this.#makeSkin(hand.side);
      return Object.assign(entry, { hand });
    });
    for (const { skin } of before.filter((entry) => !this.skins.includes(entry))) this.#remove(skin);
    this.refresh();
  }

  #makeSkin(side) {
    const skin = new Skin(this.rig.surface, skinMaterial(SKIN[side], this.plain), this.rig.tint);
    skin.mesh.castShadow = skin.mesh.receiveShadow = true;
    this.scene.add(skin.group);
    return { side, skin, verts: new Float64Array(this.rig.model.count * 3) };
  }

  /** Translucent hands behind the real ones, or none. */
  setGhost(hands) {
    for (const skin of this.ghosts ?? []) this.#remove(skin);
    this.ghosts = hands.map((hand) => {
      const material = new MeshStandardMaterial({ color: this.accent, roughness: 0.9, transparent: true, opacity: 0.24, depthWrite: false, polygonOffset: true, polygonOffsetFactor: 6, polygonOffsetUnits: 6 });
      const skin = new Skin(this.rig.surface, material, null);
      skin.update(hand, hand.skin(new Float64Array(this.rig.model.count * 3)));
      skin.mesh.renderOrder = 2;
      this.scene.add(skin.group);
      return skin;
    });
    this.invalidate();
  }

  #remove(skin) {
    this.scene.remove(skin.group);
    skin.dispose();
  }

  /** The hands moved. */
  refresh() {
    this.stale = true;
    this.invalidate();
  }

  #skinAll() {
    for (const { hand, skin, verts } of this.skins) {
      hand.skin(verts);
      skin.update(hand, verts);
    }
    this.#arrange();
    this.stale = false;
  }

  /** Lights, wall and floor follow the hands. */
  #arrange() {
    const middle = new Vector3();
    let lowest = Infinity;
    for (const { hand, verts } of this.skins) {
      middle.add(flip(hand.cross(hand.palm())).divideScalar(this.skins.length));
      for (let i = 1; i < verts.length; i += 3) lowest = Math.min(lowest, -verts[i]);
    }
    this.middle = middle;
    const place = (light, x, y, z) => {
      light.position.copy(middle).add(new Vector3(x, y, z));
      light.target.position.copy(middle);
    };
    place(this.key, -0.36, 0.62, 0.9);
    place(this.fill, 0.8, 0.1, 0.6);
    place(this.rim, 0.35, 0.45, -0.8);
    this.wall.position.set(middle.x, middle.y, middle.z - 0.17);
    this.ground.position.set(middle.x, lowest - 0.025, middle.z);
    this.floor.position.set(middle.x, lowest - 0.026, middle.z);
    if (this.view === 'picture' && !this.journey) this.controls.target.copy(middle);
    this.#drawFrustum(-middle.z);
  }

  #drawFrustum(depth) {
    const { K, width_px: w, height_px: h } = this.intrinsics;
    const at = (u, v, z) => flip([((u - K[0][2]) / K[0][0]) * z, ((v - K[1][2]) / K[1][1]) * z, z]);
    const corners = [[0, 0], [w, 0], [w, h], [0, h]].map(([u, v]) => at(u, v, depth));
    const tip = new Vector3();
    const points = corners.flatMap((corner, i) => [tip, corner, corner, corners[(i + 1) % 4]]);
    this.frustum.geometry.setFromPoints(points);
  }

  /** Vertices of a hand, right-hand space, as last skinned. */
  vertsOf(hand) {
    if (this.stale) this.#skinAll();
    return this.skins.find((s) => s.hand === hand).verts;
  }

  highlight(hand, values) {
    for (const entry of this.skins) entry.skin.light(entry.hand === hand && values ? values : new Float32Array(this.rig.model.count));
    this.invalidate();
  }

  // --- views ---------------------------------------------------------------------------------------

  setView(view, { animate = true } = {}) {
    if (view === this.view) return;
    if (this.stale) this.#skinAll();
    this.view = view;
    this.controls.enabled = false;
    const target = this.middle.clone();
    const start = { position: this.camera.position.clone(), turn: this.camera.quaternion.clone(), around: this.around };
    const end = { position: new Vector3(), turn: new Quaternion(), around: 0 };
    if (view === 'orbit') {
      const distance = target.length() * 1.08;
      end.position.set(0.62, 0.42, 0.9).normalize().multiplyScalar(distance).add(target);
      end.turn.setFromRotationMatrix(new Matrix4().lookAt(end.position, target, this.camera.up));
      end.around = 1;
    }
    const began = performance.now();
    this.journey = (now) => {
      const t = animate ? Math.min(1, (now - began) / TRAVEL_MS) : 1;
      const ease = t * t * (3 - 2 * t);
      this.camera.position.lerpVectors(start.position, end.position, ease);
      this.camera.quaternion.slerpQuaternions(start.turn, end.turn, ease);
      this.around = start.around + (end.around - start.around) * ease;
      if (t < 1) return this.invalidate();
      this.journey = null;
      this.controls.target.copy(target);
      this.controls.enabled = view === 'orbit';
      if (view === 'orbit') this.controls.update();
      this.invalidate();
    };
    this.invalidate();
  }

  // --- geometry of the view ------------------------------------------------------------------------

  resize() {
    const { clientWidth: width, clientHeight: height } = this.element;
    if (!width || !height || !this.intrinsics) return;
    this.width = width;
    this.height = height;
    this.renderer.setPixelRatio(this.plain ? 1 : Math.min(window.devicePixelRatio || 1, 2));
    this.renderer.setSize(width, height);
    const { K, width_px: w, height_px: h } = this.intrinsics;
    const s = Math.min((width * FRAME_SHARE) / w, (height * FRAME_SHARE) / h);
    const left = (width - w * s) / 2, top = (height - h * s) / 2;
    this.frame = { left, top, width: w * s, height: h * s, scale: s };
    const a = (2 * s * K[0][0]) / width, b = (2 * s * K[1][1]) / height;
    const c = 1 - (2 * (left + s * K[0][2])) / width, d = (2 * (top + s * K[1][2])) / height - 1;
    this.camera.projectionMatrix.set(a, 0, c, 0, 0, b, d, 0, 0, 0, -(FAR + NEAR) / (FAR - NEAR), (-2 * FAR * NEAR) / (FAR - NEAR), 0, 0, -1, 0);
    this.camera.projectionMatrixInverse.copy(this.camera.projectionMatrix).invert();
    this.camera.fov = (2 * Math.atan(1 / b) * 180) / Math.PI;
    this.camera.aspect = width / height;
    this.invalidate();
  }

  /** World point -> css px in the viewport and distance from the camera. */
  project(point) {
    const v = flip(point).applyMatrix4(this.camera.matrixWorldInverse);
    const depth = -v.z;
    v.applyMatrix4(this.camera.projectionMatrix);
    return { x: ((v.x + 1) * this.width) / 2, y: ((1 - v.y) * this.height) / 2, depth };
  }

  /** css px in the viewport -> world ray. */
  ray(x, y) {
    const far = new Vector3((2 * x) / this.width - 1, 1 - (2 * y) / this.height, 0.5).unproject(this.camera);
    const direction = far.sub(this.camera.position).normalize();
    return { origin: unflip(this.camera.position), direction: unflip(direction) };
  }

  /** The viewer's right, down and forward in the world. */
  axes() {
    const column = (i) => unflip(new Vector3().setFromMatrixColumn(this.camera.matrixWorld, i));
    const negate = (v) => v.map((x) => -x);
    return { right: column(0), down: negate(column(1)), forward: negate(column(2)) };
  }

  // --- frames --------------------------------------------------------------------------------------

  invalidate() {
    if (this.needsFrame || this.disposed) return;
    this.needsFrame = true;
    requestAnimationFrame((now) => {
      this.needsFrame = false;
      if (!this.disposed && this.seen && this.width && this.skins.length) this.draw(now);
    });
  }

  draw(now) {
    this.journey?.(now);
    if (this.stale) this.#skinAll();
    this.wall.visible = !this.plain && this.around < 1;
    this.wall.material.opacity = (this.dark ? 0.4 : 0.13) * (1 - this.around);
    this.floor.visible = this.frustum.visible = this.around > 0;
    this.ground.visible = !this.plain && this.around > 0;
    this.floor.material.opacity = 0.5 * this.around;
    this.ground.material.opacity = (this.dark ? 0.5 : 0.24) * this.around;
    this.frustum.material.opacity = 0.4 * this.around;
    this.frustum.material.color.copy(this.lineColor);
    this.camera.updateMatrixWorld();
    this.onFrame();
    this.renderer.render(this.scene, this.camera);
  }

  setSeen(seen) {
    this.seen = seen;
    if (seen) this.invalidate();
  }

  dispose() {
    this.disposed = true;
    this.setGhost([]);
    for (const { skin } of this.skins) this.#remove(skin);
    this.controls.dispose();
    this.renderer.dispose();
    this.renderer.forceContextLoss();
    this.renderer.domElement.remove();
  }
}

/** Rings that fade out: a floor that says where down is. */
function ringTexture(anisotropy) {
  const size = 1024, canvas = document.createElement('canvas');
  canvas.width = canvas.height = size;
  const c = canvas.getContext('2d');
  c.strokeStyle = '#fff';
  c.lineWidth = 2.5;
  for (let i = 1; i <= 9; i++) {
    c.globalAlpha = 0.8 * (1 - i / 9.5) ** 1.2;
    c.beginPath();
    c.arc(size / 2, size / 2, (i * size) / 19, 0, 2 * Math.PI);
    c.stroke();
  }
  return Object.assign(new CanvasTexture(canvas), { anisotropy });
}
