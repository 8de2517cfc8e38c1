// What lies over the canvas: the picture's frame, a handle for every joint and fingertip (a button, so that the
// keyboard and a screen reader reach it), and the arcs that turn the chosen joint between its limits.

import { BEND, FINGERS, jointsOf, SPREAD, TWIST } from './anatomy.js';
import { WRIST } from './editor.js';
import { h, svg } from './dom.js';
import { intersect } from './surface.js';
import { add, dot, exp, length, normalize, rotate, scale, sub } from './rotation.js';

const ARC_PX = 52; // radius on the screen
const SAMPLES = 40;
const REACH = { mouse: 13, pen: 16, touch: 24 }; // px from a handle that still mean it
const SKIN_M = { joint: 0.016, tip: 0.012 }; // how deep under the skin a handle lies, for telling what is hidden
export const ANGLE_NAMES = ['bend', 'spread', 'twist'];

export class Overlay {
  constructor(element, stage, editor, t) {
    this.element = element;
    this.stage = stage;
    this.editor = editor;
    this.t = t;
    this.shade = svg('path', { class: 'shade', 'fill-rule': 'evenodd' });
    this.edge = svg('rect', { class: 'edge', rx: 2 });
    this.corners = svg('path', { class: 'corners' });
    this.size = svg('text', { class: 'size' });
    this.frameGroup = svg('g', { class: 'frame' }, this.shade, this.edge, this.corners, this.size);
    this.gizmo = svg('g', { class: 'gizmo' });
    this.drawing = svg('svg', { class: 'drawing', 'aria-hidden': 'true' }, this.frameGroup, this.gizmo);
    this.layer = h('div', { class: 'handles' });
    element.append(this.drawing, this.layer);
    this.handles = [];
    this.open = null; // the finger whose joints Tab visits
    this.arcs = [];
  }

  /** Say everything in another language. */
  translate(t) {
    this.t = t;
    this.rebuild();
  }

  // --- handles -------------------------------------------------------------------------------------

  rebuild() {
    this.layer.replaceChildren();
    this.handles = this.editor.hands.flatMap((hand, index) => {
      const name = this.t(hand.side === 'left' ? 'leftHand' : 'rightHand');
      const group = h('div', { role: 'group', 'aria-label': name });
      this.layer.append(group);
      const make = (finger, joint, label, kind) => {
        const button = h('button', { type: 'button', class: `handle ${kind}`, 'data-finger': finger, 'aria-label': `${name}, ${label}` });
        group.append(button);
        const handle = { hand: index, finger, joint, kind, button, hidden: false };
        button.addEventListener('focus', () => this.editor.select({ hand: index, finger, joint }));
        return handle;
      };
      return [
        make(WRIST, 0, this.t('wrist'), 'wrist'),
        ...FINGERS.flatMap((finger) => [
          make(finger, null, this.t(finger), 'tip'),
          ...jointsOf(finger).map((joint, i) => make(finger, joint, `${this.t(finger)}, ${this.t(`joint${i + 1}`)}`, 'joint')),
        ]),
      ];
    });
    this.mark();
  }

  /** World position of a handle. */
  positionOf({ hand: index, finger, joint }) {
    const hand = this.editor.hands[index];
    if (joint !== null) return hand.cross(hand.frames.positions[joint]);
    const v = this.editor.rig.model.tips[FINGERS.indexOf(finger)] * 3;
    return hand.cross(Array.from(this.stage.vertsOf(hand).subarray(v, v + 3)));
  }

  find(selection) {
    return this.handles.find((x) => x.hand === selection.hand && x.finger === selection.finger && x.joint === selection.joint);
  }

  /** Classes and tab stops after a change of the selection. */
  mark() {
    const { selection } = this.editor;
    for (const handle of this.handles) {
      const same = handle.hand === selection.hand && handle.finger === selection.finger;
      const chosen = same && handle.joint === selection.joint;
      handle.button.classList.toggle('chosen', chosen);
      handle.button.classList.toggle('near', same);
      handle.button.classList.toggle('other', handle.hand !== selection.hand);
      handle.button.setAttribute('aria-pressed', String(chosen));
      const reachable = handle.kind !== 'joint' || chosen || (same && this.open === handle.finger);
      handle.button.tabIndex = reachable ? 0 : -1;
      if (handle.kind === 'tip') handle.button.setAttribute('aria-expanded', String(same && this.open === handle.finger));
    }
  }

  /** Which handles are behind the skin: looked up when the hand rests. */
  occlude() {
    const eye = this.stage.ray(this.stage.width / 2, this.stage.height / 2).origin;
    for (const handle of this.handles) {
      const at = this.positionOf(handle);
      const way = sub(at, eye), distance = length(way), direction = scale(way, 1 / distance);
      const deep = SKIN_M[handle.kind === 'tip' ? 'tip' : 'joint'];
      handle.hidden = this.editor.hands.some((hand) => {
        const hit = intersect(this.stage.vertsOf(hand), this.editor.rig.model.faces, { origin: hand.cross(eye), direction: hand.cross(direction) });
        return hit && hit.distance < distance - deep;
      });
      handle.button.classList.toggle('hidden', handle.hidden);
    }
  }

  /** The handle under a point of the viewport, or null. */
  pick(x, y, pointerType) {
    const reach = REACH[pointerType] ?? REACH.mouse;
    let best = null;
    for (const handle of this.handles) {
      if (!handle.screen) continue;
      const distance = Math.hypot(handle.screen.x - x, handle.screen.y - y);
      const cost = distance + (handle.hidden ? 8 : 0) + (handle.kind === 'joint' ? 2 : 0) + handle.screen.depth;
      if (distance <= reach && (!best || cost < best.cost)) best = { handle, cost };
    }
    return best?.handle ?? null;
  }

  // --- arcs ----------------------------------------------------------------------------------------

  /** The arcs of the chosen joint in right-hand space: {k, axis, center, reference, low, high, value}. */
  #describeArcs() {
    const { selection, hand, rig } = this.editor;
    if (!hand || selection.joint === null) return [];
    const { rotations, positions } = hand.frames;
    const center = positions[selection.joint];
    if (selection.finger === WRIST) {
      const column = (i) => [0, 3, 6].map((r) => rotations[0][r + i]);
      const [x, y, z] = [0, 1, 2].map(column);
      const palm = hand.palm();
      return [[BEND, z, y], [SPREAD, y, x], [TWIST, x, y]].map(([k, axis, reference]) =>
        ({ k, axis, center: palm, reference, low: -Math.PI, high: Math.PI, value: 0, size: 1.75 }));
    }
    const { joint } = selection;
    const angles = hand.angles(joint);
    const parent = rotations[rig.model.parents[joint]];
    const axes = rig.anatomy.axesAt(joint, angles).map((axis) => rotate(parent, axis));
    const chain = jointsOf(selection.finger);
    const next = chain[chain.indexOf(joint) + 1];
    const tip = rig.model.tips[FINGERS.indexOf(selection.finger)] * 3;
    const end = next ? positions[next] : Array.from(this.stage.vertsOf(hand).subarray(tip, tip + 3));
    const bone = normalize(sub(end, center));
    return [BEND, SPREAD, TWIST].filter((k) => rig.anatomy.isFree(joint, k)).map((k) => {
      const reference = k === TWIST ? axes[SPREAD] : bone;
      const [low, high] = rig.anatomy.limits[joint - 1][k];
      return { k, axis: axes[k], center, reference, low, high, value: angles[k], size: k === TWIST ? 0.62 : 1 };
    });
  }

  #trace(arc) {
    const { hand } = this.editor;
    const flat = normalize(sub(arc.reference, scale(arc.axis, dot(arc.reference, arc.axis))));
    const { depth } = this.stage.project(hand.cross(arc.center));
    const { frame, intrinsics } = this.stage;
    const radius = (ARC_PX * arc.size * depth) / (intrinsics.K[0][0] * frame.scale);
    const at = (angle) => {
      const arm = rotate(exp(scale(arc.axis, angle - arc.value)), flat);
      const screen = this.stage.project(hand.cross(add(arc.center, scale(arm, radius))));
      return { angle, ...screen, front: screen.depth <= depth };
    };
    const samples = Array.from({ length: SAMPLES + 1 }, (_, i) => at(arc.low + ((arc.high - arc.low) * i) / SAMPLES));
    return { ...arc, samples, marker: at(arc.value) };
  }

  /** The arc under a point, or null. */
  pickArc(x, y, pointerType) {
    const reach = (REACH[pointerType] ?? REACH.mouse) * 0.75;
    let best = null;
    for (const arc of this.arcs) {
      const toMarker = Math.hypot(arc.marker.x - x, arc.marker.y - y) - 5;
      for (const { distance, angle } of [nearest(arc.samples, x, y), { distance: toMarker, angle: arc.value }]) {
        if (distance <= reach && (!best || distance < best.distance)) best = { arc, distance, angle };
      }
    }
    return best;
  }

  /** The angle of an arc nearest to a point, looking no farther than 40 degrees from `from`. */
  angleAt(k, x, y, from) {
    const arc = this.arcs.find((a) => a.k === k);
    const close = arc.samples.filter((s) => Math.abs(s.angle - from) < 0.7);
    return close.length > 1 ? nearest(close, x, y).angle : from;
  }

  // --- frames --------------------------------------------------------------------------------------

  update() {
    const { stage } = this;
    this.#drawFrame();
    for (const handle of this.handles) {
      handle.screen = stage.project(this.positionOf(handle));
      handle.button.style.transform = `translate(${handle.screen.x.toFixed(1)}px, ${handle.screen.y.toFixed(1)}px)`;
    }
    this.arcs = this.#describeArcs().map((arc) => this.#trace(arc));
    this.#drawArcs();
  }

  #drawFrame() {
    const { width, height, frame, intrinsics, around } = this.stage;
    const key = `${width} ${height} ${frame.scale} ${around}`;
    if (key === this.frameKey) return;
    this.frameKey = key;
    this.drawing.setAttribute('viewBox', `0 0 ${width} ${height}`);
    const { left: l, top: t, width: w, height: hgt } = frame;
    const r = l + w, b = t + hgt, c = 16;
    this.shade.setAttribute('d', `M0 0H${width}V${height}H0ZM${l} ${t}V${b}H${r}V${t}Z`);
    for (const [name, value] of Object.entries({ x: l, y: t, width: w, height: hgt })) this.edge.setAttribute(name, value);
    this.corners.setAttribute('d', `M${l} ${t + c}V${t}H${l + c}M${r - c} ${t}H${r}V${t + c}M${r} ${b - c}V${b}H${r - c}M${l + c} ${b}H${l}V${b - c}`);
    this.size.textContent = `${intrinsics.width_px} × ${intrinsics.height_px}`;
    this.size.setAttribute('x', r - 6);
    this.size.setAttribute('y', b - 7);
    this.frameGroup.style.opacity = 1 - around;
  }

  #drawArcs() {
    while (this.gizmo.childElementCount < this.arcs.length) {
      this.gizmo.append(svg('g', {}, svg('path', { class: 'back' }), svg('path', { class: 'halo' }), svg('path', { class: 'front' }), svg('circle', { r: 6 })));
    }
    [...this.gizmo.children].forEach((group, i) => {
      const arc = this.arcs[i];
      group.style.display = arc ? '' : 'none';
      if (!arc) return;
      group.setAttribute('class', `${ANGLE_NAMES[arc.k]}${this.hot === arc.k ? ' hot' : ''}`);
      const [back, halo, front, marker] = group.children;
      back.setAttribute('d', path(arc.samples));
      const near = path(arc.samples, true);
      halo.setAttribute('d', near);
      front.setAttribute('d', near);
      marker.setAttribute('cx', arc.marker.x);
      marker.setAttribute('cy', arc.marker.y);
    });
  }
}

/** An SVG path through samples; with `frontOnly`, only where they are on the viewer's side. */
function path(samples, frontOnly = false) {
  let d = '', pen = false;
  for (const { x, y, front } of samples) {
    const draw = !frontOnly || front;
    if (draw) d += `${pen ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = draw;
  }
  return d;
}

/** The nearest point of a polyline: {distance px, angle rad}. */
function nearest(samples, x, y) {
  let best = { distance: Infinity, angle: 0 };
  for (let i = 0; i + 1 < samples.length; i++) {
    const a = samples[i], b = samples[i + 1];
    const dx = b.x - a.x, dy = b.y - a.y, size = dx * dx + dy * dy;
    const s = size > 0 ? Math.min(1, Math.max(0, ((x - a.x) * dx + (y - a.y) * dy) / size)) : 0;
    const distance = Math.hypot(a.x + s * dx - x, a.y + s * dy - y);
    if (distance < best.distance) best = { distance, angle: a.angle + s * (b.angle - a.angle) };
  }
  return best;
}

