// The document: one or two hands, the picture's camera, the gesture it began as; every editing verb; undo and redo.
// No DOM here. A verb changes the hands and says 'change'; commit() ends an edit: it is remembered and sent.

import { jointsOf } from './anatomy.js';
import { Hand } from './hand.js';
import { grasp } from './ik.js';

export const WRIST = 'wrist';
export const BETA_LIMIT = 3; // standard deviations, as far as the sliders go
export const DEPTH_LIMITS = [0.12, 3]; // m
const HISTORY = 200;
const FILE_TYPE = 'HandLabPose';

const finite = (values, length) => Array.isArray(values) && values.length === length && values.every(Number.isFinite);

/** A composition from Python or a file, checked; throws an Error whose message is a key of i18n. */
export function readDocument(data) {
  const { hands, camera } = data ?? {};
  const goodHand = (h) => ['left', 'right'].includes(h?.side) && finite(h.global_orient, 3) && finite(h.hand_pose, 45) && finite(h.betas, 10) && finite(h.transl, 3);
  const goodCamera = camera?.K?.length === 3 && camera.K.every((row) => finite(row, 3)) && camera.K[0][0] > 0 && camera.K[1][1] > 0 && camera.width_px > 0 && camera.height_px > 0;
  if (!Array.isArray(hands) || hands.length < 1 || hands.length > 2 || !hands.every(goodHand)) throw new Error('badFile');
  if (!goodCamera) throw new Error('badFile');
  return {
    hands,
    camera,
    gesture: typeof data.gesture === 'string' ? data.gesture : null,
    edited: Boolean(data.edited),
    active: hands.some((h) => h.side === data.active) ? data.active : hands[0].side,
  };
}

/** Two plain values alike, numbers to within rounding. */
function alike(a, b) {
  if (typeof a === 'number') return typeof b === 'number' && Math.abs(a - b) < 1e-7;
  if (a === null || typeof a !== 'object') return a === b;
  return b !== null && typeof b === 'object' && Object.keys(a).every((key) => alike(a[key], b[key]));
}

export class Editor {
  constructor(rig, gestures) {
    this.rig = rig;
    this.gestures = gestures; // [{name, title, hand}]
    this.hands = [];
    this.past = [];
    this.future = [];
    this.selection = { hand: 0, finger: 'index', joint: null }; // joint: MANO's, or null for the whole finger
    this.listeners = {};
  }

  on(name, listener) {
    (this.listeners[name] ??= []).push(listener);
  }

  #emit(name, detail) {
    for (const listener of this.listeners[name] ?? []) listener(detail);
  }

  get hand() {
    return this.hands[this.selection.hand];
  }

  get mode() {
    return this.hands.length === 2 ? 'both' : this.hand.side;
  }

  // --- the document --------------------------------------------------------------------------------

  toJSON() {
    return {
      type: FILE_TYPE,
      version: 1,
      hands: this.hands.map((h) => h.toJSON()),
      camera: this.camera,
      gesture: this.gesture,
      edited: this.edited,
      active: this.hand.side,
    };
  }

  #restore(data) {
    this.hands = data.hands.map((h) => new Hand(this.rig, h));
    this.camera = data.camera;
    this.gesture = data.gesture;
    this.edited = data.edited;
    this.selection = { ...this.selection, hand: this.hands.findIndex((h) => h.side === data.active) };
    this.#emit('replace');
    this.#emit('change');
  }

  /**
   * A composition from outside, which becomes the one that reset returns to. What is shown already changes nothing.
   * `silent`: Python knows it already.
   */
  load(data, { silent = false } = {}) {
    const read = readDocument(data);
    if (this.hands.length && alike(read, this.toJSON())) return;
    this.#restore(read);
    this.preset = this.#text();
    this.#remember(silent);
  }

  #text() {
    return JSON.stringify(this);
  }

  #remember(silent) {
    const text = this.#text();
    if (text === this.past[this.past.length - 1]) return;
    this.past.push(text);
    if (this.past.length > HISTORY) this.past.shift();
    this.future = [];
    this.#emit('history');
    if (!silent) this.#emit('commit', this.toJSON());
  }

  /** End of an edit. */
  commit() {
    this.#remember(false);
  }

  #changed() {
    this.edited = true;
    this.#emit('change');
  }

  get canUndo() {
    return this.past.length > 1;
  }

  get canRedo() {
    return this.future.length > 0;
  }

  undo() {
    this.commit(); // what an edit under way has done so far
    if (!this.canUndo) return;
    this.future.push(this.past.pop());
    this.#travel();
  }

  redo() {
    if (!this.canRedo) return;
    this.past.push(this.future.pop());
    this.#travel();
  }

  #travel() {
    this.#restore(JSON.parse(this.past[this.past.length - 1]));
    this.#emit('history');
    this.#emit('commit', this.toJSON());
  }

  /** Back to the last commit. */
  revert() {
    this.#restore(JSON.parse(this.past[this.past.length - 1]));
  }

  reset() {
    this.#restore(JSON.parse(this.preset));
    this.commit();
  }

  // --- selection -----------------------------------------------------------------------------------

  select(selection) {
    this.selection = { ...this.selection, ...selection };
    this.#emit('select');
  }

  // --- verbs: each leaves the commit to the end of the gesture that calls it ------------------------

  /** Take hold of a point of a finger: a function of the pointer's ray that pulls it. */
  grasp(hand, joint, offset) {
    const pull = grasp(hand, joint, offset);
    return (ray) => {
      pull(ray);
      this.#changed();
    };
  }

  setAngles(hand, joint, angles) {
    hand.setAngles(joint, angles);
    this.#changed();
  }

  /** Turn one angle of a joint, or of a whole finger: its bends go together, its spread is the knuckle's. */
  nudge(hand, { finger, joint }, k, amount) {
    const joints = joint === null ? (k === 0 ? jointsOf(finger) : [jointsOf(finger)[0]]) : [joint];
    for (const j of joints) hand.setAngles(j, hand.angles(j).map((a, i) => (i === k ? a + amount : a)));
    this.#changed();
  }

  setCurl(hand, finger, share) {
    hand.setCurl(finger, share);
    this.#changed();
  }

  setTurn(hand, turn) {
    hand.setTurn(turn);
    this.#changed();
  }

  rotateBy(hand, R) {
    hand.rotateBy(R);
    this.#changed();
  }

  moveBy(hand, offset) {
    hand.moveBy(offset);
    this.#changed();
  }

  setDepth(hand, z) {
    hand.setDepth(Math.min(Math.max(z, DEPTH_LIMITS[0]), DEPTH_LIMITS[1]));
    this.#changed();
  }

  setBeta(hand, index, value) {
    hand.setBeta(index, value);
    this.#changed();
  }

  /** `gesture`: the name of the nearer end. */
  blend(hand, from, to, t, gesture) {
    hand.blend(from, to, t);
    this.gesture = gesture ?? this.gesture;
    this.#changed();
  }

  /** Fingers by numbers (45,), as Python has them. */
  setPose(hand, pose) {
    hand.setPose(pose);
    this.#changed();
    this.commit();
  }

  mirror() {
    for (const hand of this.hands) hand.mirror();
    this.#replaced();
  }

  /** The other hand takes this one's pose, mirrored, where it is. */
  matchOther() {
    this.hands[1 - this.selection.hand].copy(this.hand);
    this.#replaced();
  }

  /** 'left', 'right' or 'both'. */
  setMode(mode) {
    if (mode === this.mode) return;
    if (mode === 'both') {
      const other = this.hand.clone();
      other.mirror();
      this.hands = [this.hand, other];
      this.selection = { ...this.selection, hand: 0 };
      this.#sideBySide();
    } else if (this.hands.length === 2) {
      this.hands = [this.hands.find((h) => h.side === mode) ?? this.hand];
      this.selection = { ...this.selection, hand: 0 };
      if (this.hand.side !== mode) this.hand.swapSide(); // two hands of one side
      this.#fit();
    } else {
      this.hand.swapSide();
    }
    this.#replaced();
  }

  fit() {
    this.#fit();
    this.#replaced();
  }

  #replaced() {
    this.edited = true;
    this.#emit('replace');
    this.#emit('change');
    this.commit();
  }

  /** Two hands beside each other as a person who faces the camera holds them: the right one on the left. */
  #sideBySide() {
    const apart = 0.105; // m from the middle
    for (const hand of this.hands) {
      const palm = hand.cross(hand.palm());
      const x = hand.side === 'right' ? -apart : apart;
      hand.moveBy(hand.cross([x - palm[0], 0, 0]));
    }
    this.#fit();
  }

  /** All hands into the middle of the picture, filling most of it, without changing how they lie to each other. */
  #fit() {
    const FILL = 0.8;
    const { K, width_px: width, height_px: height } = this.camera;
    const verts = this.hands.map((h) => ({ hand: h, points: h.skin(new Float64Array(this.rig.model.count * 3)) }));
    for (let pass = 0; pass < 4; pass++) {
      const low = [Infinity, Infinity], high = [-Infinity, -Infinity];
      let depth = 0, count = 0;
      for (const { hand, points } of verts) {
        hand.skin(points);
        for (let v = 0; v < points.length; v += 3) {
          const [x, y, z] = hand.cross([points[v], points[v + 1], points[v + 2]]);
          const px = [(K[0][0] * x) / z + K[0][2], (K[1][1] * y) / z + K[1][2]];
          px.forEach((p, i) => { low[i] = Math.min(low[i], p); high[i] = Math.max(high[i], p); });
          depth += z; count++;
        }
      }
      depth /= count;
      const grow = Math.max((high[0] - low[0]) / (width * FILL), (high[1] - low[1]) / (height * FILL));
      const offset = [
        ((width / 2 - (low[0] + high[0]) / 2) * depth) / K[0][0],
        ((height / 2 - (low[1] + high[1]) / 2) * depth) / K[1][1],
        depth * (grow - 1),
      ];
      for (const { hand } of verts) hand.moveBy(hand.cross(offset));
    }
  }
}
