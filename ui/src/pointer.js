// Mouse, pen and touch on the viewport. What is under the pointer decides what a drag does: a handle or a finger is
// pulled, an arc turns its joint, the palm moves the hand, the space beside it turns the hand (or walks around it).

import { fingerOf, jointsOf } from './anatomy.js';
import { WRIST } from './editor.js';
import { inHandSpace } from './hand.js';
import { offsetOf } from './ik.js';
import { add, dot, exp, mirrorRotation, scale, sub } from './rotation.js';
import { intersect } from './surface.js';

const THRESHOLD = 3; // px before a press becomes a drag
const TURN = 0.009; // rad a px
const WHEEL = 0.0011; // log of depth a px of wheel
const REST_MS = 350; // after the last turn of the wheel

export class Pointer {
  constructor(viewport, stage, overlay, editor, onHover) {
    Object.assign(this, { viewport, stage, overlay, editor, onHover });
    this.touches = new Map();
    const listen = (name, handler, options) => viewport.addEventListener(name, handler, options);
    listen('pointerdown', (e) => this.#down(e), { capture: true });
    listen('pointermove', (e) => this.#move(e), { capture: true });
    listen('pointerup', (e) => this.#up(e), { capture: true });
    listen('pointercancel', (e) => this.#up(e), { capture: true });
    listen('pointerleave', () => !this.drag && this.#hover(null));
    listen('wheel', (e) => this.#wheel(e), { capture: true, passive: false });
    // a touch that takes hold of the hand must not scroll the page; one beside it may
    listen('touchstart', (e) => (e.touches.length > 1 || this.#touched(e)) && e.cancelable && e.preventDefault(), { passive: false });
  }

  #local(event) {
    const box = this.viewport.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  #touched(event) {
    const { x, y } = this.#local(event.touches[0]);
    return this.stage.view === 'orbit' || this.#pick(x, y, 'touch') !== null;
  }

  /** What is at a point: {handle} | {arc} | {hand, joint, point} | null for nothing. */
  #pick(x, y, pointerType) {
    const arc = this.overlay.pickArc(x, y, pointerType);
    if (arc && arc.distance < 5) return arc;
    const handle = this.overlay.pick(x, y, pointerType);
    if (handle) return { handle };
    if (arc) return arc;
    const ray = this.stage.ray(x, y);
    let best = null;
    this.editor.hands.forEach((hand, index) => {
      const { model } = this.editor.rig;
      const local = inHandSpace(hand, ray);
      const hit = intersect(this.stage.vertsOf(hand), model.faces, local);
      if (!hit || (best && best.distance < hit.distance)) return;
      const joint = model.partOfVertex[model.faces[hit.face * 3]];
      best = { index, hand, joint, distance: hit.distance, point: add(local.origin, scale(local.direction, hit.distance)) };
    });
    return best;
  }

  // --- press ---------------------------------------------------------------------------------------

  #down(event) {
    if (event.button !== 0) return;
    const { x, y } = this.#local(event);
    if (event.pointerType === 'touch') this.touches.set(event.pointerId, { x, y });
    if (this.touches.size === 2 && this.stage.view === 'picture') return this.#beginPinch(event);
    if (this.drag) return;
    const target = this.#pick(x, y, event.pointerType);
    const action = this.#actionFor(target, x, y);
    if (!action) return; // the orbit controls' business
    event.stopPropagation();
    this.viewport.setPointerCapture(event.pointerId);
    this.drag = { ...action, id: event.pointerId, x, y, moved: false };
    const focused = this.overlay.find(this.editor.selection);
    (target ? focused?.button : this.viewport)?.focus({ preventScroll: true });
  }

  #actionFor(target, x, y) {
    const { editor } = this;
    if (!target) return this.stage.view === 'orbit' ? null : { kind: 'turn' };
    if (target.arc) return { kind: 'arc', k: target.arc.k, from: target.arc.value, grab: target.angle - target.arc.value, wrist: editor.selection.finger === WRIST, hand: editor.hand };
    if (target.handle) {
      const { hand: index, finger, joint } = target.handle;
      editor.select({ hand: index, finger, joint });
      return this.#pullOf(editor.hands[index], finger, joint);
    }
    const { index, hand, joint, point } = target;
    if (joint === 0) {
      editor.select({ hand: index, finger: WRIST, joint: 0 });
      return { kind: 'move', hand };
    }
    editor.select({ hand: index, finger: fingerOf(joint), joint });
    return this.#pullAt(hand, joint, point);
  }

  /** How a handle is pulled: a joint turns the bones before it, a base joint the bone after it. */
  #pullOf(hand, finger, joint) {
    if (finger === WRIST) return { kind: 'move', hand };
    const chain = jointsOf(finger);
    if (joint === null) return this.#pullAt(hand, chain[2], hand.cross(this.overlay.positionOf({ hand: this.editor.hands.indexOf(hand), finger, joint })));
    const at = chain.indexOf(joint);
    return this.#pullAt(hand, chain[Math.max(0, at - 1)], hand.frames.positions[chain[Math.max(1, at)]]);
  }

  #pullAt(hand, joint, point) {
    const screen = this.stage.project(hand.cross(point));
    const { origin, direction } = inHandSpace(hand, this.stage.ray(screen.x, screen.y));
    return { kind: 'pull', hand, pull: this.editor.grasp(hand, joint, offsetOf(hand.frames, joint, point)), screen, depth: dot(sub(point, origin), direction) };
  }

  // --- drag ----------------------------------------------------------------------------------------

  #move(event) {
    const { x, y } = this.#local(event);
    if (this.touches.has(event.pointerId)) this.touches.set(event.pointerId, { x, y });
    if (this.pinch) return this.#movePinch(event);
    const { drag } = this;
    if (!drag) {
      if (event.buttons === 0 && event.pointerType !== 'touch') this.#hover(this.#pick(x, y, event.pointerType));
      return;
    }
    if (event.pointerId !== drag.id) return;
    event.stopPropagation();
    if (!drag.moved && Math.hypot(x - drag.x, y - drag.y) < THRESHOLD) return;
    if (!drag.moved) this.viewport.classList.add('dragging');
    drag.moved = true;
    this[`_${drag.kind}`](drag, x, y);
  }

  _pull(drag, x, y) {
    const target = { x: drag.screen.x + x - drag.x, y: drag.screen.y + y - drag.y };
    const ray = inHandSpace(drag.hand, this.stage.ray(target.x, target.y));
    drag.pull({ ...ray, depth: drag.depth });
  }

  _move(drag, x, y) {
    this.editor.moveBy(drag.hand, drag.hand.cross(this.#slide(drag.hand, x - (drag.lastX ?? drag.x), y - (drag.lastY ?? drag.y))));
    Object.assign(drag, { lastX: x, lastY: y });
  }

  /** A step on the screen as a step in the world at the palm's distance. */
  #slide(hand, dx, dy) {
    const { right, down } = this.stage.axes();
    const { depth } = this.stage.project(hand.cross(hand.palm()));
    const metres = depth / (this.stage.intrinsics.K[0][0] * this.stage.frame.scale);
    return add(scale(right, dx * metres), scale(down, dy * metres));
  }

  _turn(drag, x, y) {
    const dx = x - (drag.lastX ?? drag.x), dy = y - (drag.lastY ?? drag.y);
    Object.assign(drag, { lastX: x, lastY: y });
    const { right, down } = this.stage.axes();
    const turn = add(scale(down, -dx * TURN), scale(right, dy * TURN));
    const { hand } = this.editor;
    this.editor.rotateBy(hand, exp(hand.side === 'left' ? mirrorRotation(turn) : turn));
  }

  _arc(drag, x, y) {
    const { editor, overlay } = this;
    overlay.hot = drag.k;
    if (drag.wrist) {
      // the rings turn with the hand: every step starts again from zero
      const arc = overlay.arcs.find((a) => a.k === drag.k);
      const step = overlay.angleAt(drag.k, x, y, 0) - drag.grab;
      editor.rotateBy(drag.hand, exp(scale(arc.axis, step)));
      overlay.update();
      return;
    }
    const { joint } = editor.selection;
    const angles = drag.hand.angles(joint);
    angles[drag.k] = overlay.angleAt(drag.k, x, y, angles[drag.k]) - drag.grab;
    editor.setAngles(drag.hand, joint, angles);
    drag.grab *= 0.8; // the marker comes to the pointer
  }

  #up(event) {
    this.touches.delete(event.pointerId);
    if (this.pinch) {
      this.pinch = null;
      this.editor.commit();
      return;
    }
    const { drag } = this;
    if (!drag || event.pointerId !== drag.id) return;
    this.drag = null;
    this.overlay.hot = null;
    this.viewport.classList.remove('dragging');
    if (drag.moved) this.editor.commit();
  }

  /** Stop a drag and put back what it did. */
  cancel() {
    if (!this.drag) return false;
    this.drag = null;
    this.viewport.classList.remove('dragging');
    this.editor.revert();
    return true;
  }

  // --- two fingers, wheel --------------------------------------------------------------------------

  #spread() {
    const [a, b] = [...this.touches.values()];
    return { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2, size: Math.hypot(a.x - b.x, a.y - b.y), angle: Math.atan2(b.y - a.y, b.x - a.x) };
  }

  #beginPinch(event) {
    event.stopPropagation();
    if (this.drag?.moved) this.editor.commit();
    this.drag = null;
    this.pinch = this.#spread();
  }

  #movePinch(event) {
    event.stopPropagation();
    if (this.touches.size < 2) return;
    const { hand } = this.editor;
    const before = this.pinch, now = this.#spread();
    this.editor.setDepth(hand, (hand.palm()[2] * before.size) / Math.max(now.size, 1));
    this.editor.moveBy(hand, hand.cross(this.#slide(hand, now.x - before.x, now.y - before.y)));
    const turn = scale(this.stage.axes().forward, now.angle - before.angle);
    this.editor.rotateBy(hand, exp(hand.side === 'left' ? mirrorRotation(turn) : turn));
    this.pinch = now;
  }

  #wheel(event) {
    if (!this.viewport.contains(this.viewport.getRootNode().activeElement)) {
      event.stopPropagation(); // not in use: the page scrolls
      return;
    }
    if (this.stage.view === 'orbit') return;
    event.preventDefault();
    const { hand } = this.editor;
    this.editor.setDepth(hand, hand.palm()[2] * Math.exp(event.deltaY * WHEEL));
    clearTimeout(this.wheelTimer);
    this.wheelTimer = setTimeout(() => this.editor.commit(), REST_MS);
  }

  // --- hover ---------------------------------------------------------------------------------------

  #hover(target) {
    let hover = null;
    if (target?.handle) hover = target.handle;
    else if (target?.hand) hover = { hand: target.index, finger: target.joint ? fingerOf(target.joint) : WRIST, joint: target.joint };
    this.overlay.hot = target?.arc?.k ?? null;
    this.viewport.style.cursor = target ? 'grab' : '';
    const key = JSON.stringify([hover?.hand, hover?.finger, hover?.joint, this.overlay.hot]);
    if (key === this.hoverKey) return;
    this.hoverKey = key;
    this.onHover(hover);
  }
}

