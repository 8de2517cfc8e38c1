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

/** A drag told its steps rather than its whole way. */
function steps(take) {
  let lastX = 0, lastY = 0;
  return (dx, dy) => {
    take(dx - lastX, dy - lastY);
    lastX = dx;
    lastY = dy;
  };
}

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
    listen('mousedown', (e) => this.drag && e.preventDefault()); // else the press would take the focus again
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
    const step = this.#stepFor(target);
    if (!step) return; // the orbit controls' business
    event.stopPropagation();
    this.viewport.setPointerCapture(event.pointerId);
    this.drag = { step, id: event.pointerId, x, y, moved: false };
    const focused = this.overlay.find(this.editor.selection);
    (target ? focused?.button : this.viewport)?.focus({ preventScroll: true });
  }

  /** What a drag from here does: a function of the pointer's way since the press (dx, dy) and its place (x, y). */
  #stepFor(target) {
    const { editor } = this;
    if (!target) return this.stage.view === 'orbit' ? null : this.#turn();
    if (target.arc) return editor.selection.finger === WRIST ? this.#ring(target) : this.#arc(target);
    if (target.handle) {
      const { hand: index, finger, joint } = target.handle;
      editor.select({ hand: index, finger, joint });
      return this.hold(editor.hands[index], finger, joint);
    }
    const { index, hand, joint, point } = target;
    if (joint === 0) {
      editor.select({ hand: index, finger: WRIST, joint: 0 });
      return this.#slide(hand);
    }
    editor.select({ hand: index, finger: fingerOf(joint), joint });
    return this.#pull(hand, joint, point);
  }

  /** How a handle is pulled: a joint turns the bones before it, a base joint the bone after it. */
  hold(hand, finger, joint) {
    if (finger === WRIST) return this.#slide(hand);
    const chain = jointsOf(finger);
    if (joint === null) {
      const tip = this.overlay.positionOf({ hand: this.editor.hands.indexOf(hand), finger, joint });
      return this.#pull(hand, chain[2], hand.cross(tip));
    }
    const at = chain.indexOf(joint);
    return this.#pull(hand, chain[Math.max(0, at - 1)], hand.frames.positions[chain[Math.max(1, at)]]);
  }

  #pull(hand, joint, point) {
    const { x, y } = this.stage.project(hand.cross(point));
    const { origin, direction } = inHandSpace(hand, this.stage.ray(x, y));
    const depth = dot(sub(point, origin), direction);
    const pull = this.editor.grasp(hand, joint, offsetOf(hand.frames, joint, point));
    return (dx, dy) => pull({ ...inHandSpace(hand, this.stage.ray(x + dx, y + dy)), depth });
  }

  #slide(hand) {
    return steps((dx, dy) => this.editor.moveBy(hand, hand.cross(this.#inWorld(hand, dx, dy))));
  }

  /** A step on the screen as a step in the world at the palm's distance. */
  #inWorld(hand, dx, dy) {
    const { right, down } = this.stage.axes();
    const { depth } = this.stage.project(hand.cross(hand.palm()));
    const metres = depth / (this.stage.intrinsics.K[0][0] * this.stage.frame.scale);
    return add(scale(right, dx * metres), scale(down, dy * metres));
  }

  #turn() {
    return steps((dx, dy) => {
      const { right, down } = this.stage.axes();
      this.#turnBy(add(scale(down, -dx * TURN), scale(right, dy * TURN)));
    });
  }

  /** Turn the chosen hand by a rotation vector of the world. */
  #turnBy(turn) {
    const { hand } = this.editor;
    this.editor.rotateBy(hand, exp(hand.side === 'left' ? mirrorRotation(turn) : turn));
  }

  #arc({ arc, angle }) {
    const { editor, overlay } = this;
    const { hand, selection: { joint } } = editor;
    let grab = angle - arc.value; // where on the arc it was taken
    return (dx, dy, x, y) => {
      overlay.hot = arc.k;
      const angles = hand.angles(joint);
      angles[arc.k] = overlay.angleAt(arc.k, x, y, angles[arc.k]) - grab;
      editor.setAngles(hand, joint, angles);
      grab *= 0.8; // the marker comes to the pointer
    };
  }

  /** A ring of the wrist turns with the hand: every step starts again from zero. */
  #ring({ arc, angle }) {
    const { editor, overlay } = this;
    const { hand } = editor;
    return (dx, dy, x, y) => {
      overlay.hot = arc.k;
      const { axis } = overlay.arcs.find((a) => a.k === arc.k);
      editor.rotateBy(hand, exp(scale(axis, overlay.angleAt(arc.k, x, y, angle) - angle)));
      overlay.update();
    };
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
    drag.step(x - drag.x, y - drag.y, x, y);
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
    this.editor.moveBy(hand, hand.cross(this.#inWorld(hand, now.x - before.x, now.y - before.y)));
    this.#turnBy(scale(this.stage.axes().forward, now.angle - before.angle));
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

