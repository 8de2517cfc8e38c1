// The editor without a pointer: keys on the viewport, and undo and redo anywhere in the editor.

import { BEND, SPREAD, TWIST } from './anatomy.js';
import { WRIST } from './editor.js';
import { about } from './rotation.js';

const STEP = Math.PI / 90; // 2 degrees
const PAGE = Math.PI / 18; // 10 degrees
const MOVE_M = 0.004;
const NEARER = 1.03;
const REST_MS = 450;

const FINGER_KEYS = {
  ArrowUp: [BEND, -STEP], ArrowDown: [BEND, STEP], PageUp: [BEND, -PAGE], PageDown: [BEND, PAGE],
  ArrowLeft: [SPREAD, -STEP], ArrowRight: [SPREAD, STEP],
  'Shift+ArrowLeft': [TWIST, -STEP], 'Shift+ArrowRight': [TWIST, STEP],
};
const TURN_KEYS = {
  ArrowLeft: [1, 1], ArrowRight: [1, -1], ArrowUp: [0, -1], ArrowDown: [0, 1], q: [2, -1], e: [2, 1],
};
const MOVE_KEYS = {
  'Shift+ArrowLeft': [-1, 0, 0], 'Shift+ArrowRight': [1, 0, 0], 'Shift+ArrowUp': [0, -1, 0], 'Shift+ArrowDown': [0, 1, 0],
};

/** The key did something here: neither the browser nor the page's own keys need it. */
function take(event) {
  event.preventDefault();
  event.stopPropagation();
}

export class Keyboard {
  constructor(root, viewport, editor, overlay, pointer) {
    Object.assign(this, { editor, overlay, pointer });
    root.addEventListener('keydown', (event) => this.#everywhere(event));
    viewport.addEventListener('keydown', (event) => this.#inViewport(event));
  }

  #everywhere(event) {
    if (!(event.ctrlKey || event.metaKey) || event.altKey) return;
    const key = event.key.toLowerCase();
    if (key === 'z') event.shiftKey ? this.editor.redo() : this.editor.undo();
    else if (key === 'y') this.editor.redo();
    else return;
    take(event);
  }

  #inViewport(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { selection } = this.editor;
    const handled = this.#general(event) || (selection.finger === WRIST ? this.#wrist(event) : this.#finger(event));
    if (handled) take(event);
  }

  #general({ key }) {
    const { overlay, editor } = this;
    if (key === 'Escape') {
      if (this.pointer.cancel()) return true;
      if (overlay.open === null) return false;
      overlay.open = null;
      editor.select({ joint: editor.selection.finger === WRIST ? 0 : null });
      overlay.find(editor.selection)?.button.focus({ preventScroll: true });
      return true;
    }
    if (key !== 'Enter' && key !== ' ') return false;
    const { finger } = editor.selection;
    if (finger === WRIST) return true;
    overlay.open = overlay.open === finger ? null : finger;
    overlay.mark();
    return true;
  }

  #finger(event) {
    const nudge = FINGER_KEYS[`${event.shiftKey ? 'Shift+' : ''}${event.key}`];
    if (!nudge) return false;
    this.editor.nudge(this.editor.hand, this.editor.selection, ...nudge);
    this.#rest();
    return true;
  }

  #wrist(event) {
    const { editor } = this;
    const { hand } = editor;
    const name = `${event.shiftKey ? 'Shift+' : ''}${event.key}`;
    const sign = hand.side === 'left' ? -1 : 1;
    if (TURN_KEYS[name]) {
      const [axis, way] = TURN_KEYS[name];
      editor.rotateBy(hand, about(axis, way * STEP * 2 * (axis === 0 ? 1 : sign)));
    } else if (MOVE_KEYS[name]) {
      editor.moveBy(hand, hand.cross(MOVE_KEYS[name].map((x) => x * MOVE_M)));
    } else if (event.key === '+' || event.key === '=') {
      editor.setDepth(hand, hand.palm()[2] / NEARER);
    } else if (event.key === '-') {
      editor.setDepth(hand, hand.palm()[2] * NEARER);
    } else return false;
    this.#rest();
    return true;
  }

  #rest() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.editor.commit(), REST_MS);
  }
}
