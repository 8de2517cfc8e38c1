// Everything around the picture: tool bar, part chooser, sliders, blend, shape, previews, keyboard sheet.

import { BEND, FINGERS, jointsOf } from './anatomy.js';
import { BETA_LIMIT, DEPTH_LIMITS, WRIST } from './editor.js';
import { h, icon } from './dom.js';
import { Hand } from './hand.js';
import { ANGLE_NAMES } from './overlay.js';

const DEG = 180 / Math.PI;
const inDegrees = (v) => `${Math.round(v) || 0}°`;
const degrees = (rad) => inDegrees(rad * DEG);

/** A labelled range. `read` gives its number, `write` takes one while it is dragged, `done` when it is let go. */
function slider({ label, kind, min, max, step, format, read, write, done }) {
  const input = h('input', { type: 'range', min, max, step, 'aria-label': label, class: kind });
  const output = h('output', {});
  const show = (value) => {
    const text = format(value);
    if (text === output.textContent && input.valueAsNumber === Number(value.toFixed(6))) return;
    input.value = value;
    output.textContent = text;
    input.setAttribute('aria-valuetext', text);
    const share = (x) => `${(((x - min) / (max - min)) * 100).toFixed(2)}%`;
    const zero = Math.min(Math.max(0, min), max);
    input.style.setProperty('--low', share(Math.min(zero, value)));
    input.style.setProperty('--high', share(Math.max(zero, value)));
  };
  input.addEventListener('input', () => write(input.valueAsNumber));
  input.addEventListener('change', done);
  return { element: h('label', { class: 'slider' }, h('span', {}, label.split(', ').pop()), input, output), sync: () => show(read()) };
}

export class Panel {
  /** @param actions {random, save(form), load(file), view(name), ghost(on)} what the panel cannot do by itself */
  constructor(editor, t, actions) {
    Object.assign(this, { editor, t, actions });
    this.sliders = [];
    this.shape = [];
    this.ghostOn = false;
    this.shownView = 'picture';
    editor.on('history', () => this.forgetBlend?.());
    this.#build();
  }

  /** Say everything in another language. */
  translate(t) {
    const before = [this.switches, this.element];
    this.t = t;
    this.#build();
    before[0].replaceWith(this.switches);
    before[1].replaceWith(this.element);
    this.markHands();
  }

  // --- tool bar ------------------------------------------------------------------------------------

  #segmented(label, names, choose) {
    const buttons = names.map((name) => h('button', { type: 'button', 'aria-pressed': 'false', 'data-name': name, onclick: () => choose(name) }, this.t(name)));
    const element = h('div', { class: 'segmented', role: 'group', 'aria-label': label }, ...buttons);
    const mark = (chosen) => buttons.forEach((b) => b.setAttribute('aria-pressed', String(b.dataset.name === chosen)));
    return { element, mark };
  }

  #tool(name, action, label = this.t(name)) {
    return h('button', { type: 'button', class: 'tool', 'data-tool': name, 'aria-label': label, title: label, onclick: action }, icon(name));
  }

  // One button for every form of file: a select that looks like a tool and forgets its choice.
  #saver() {
    const { t, actions } = this;
    const select = h('select', { 'aria-label': t('save'), onchange: () => {
      actions.save(select.value);
      select.value = '';
    } }, h('option', { value: '', hidden: true }, ''),
      ...['json', 'mano', 'openpose'].map((form) => h('option', { value: form }, t(`save_${form}`))));
    select.value = '';
    return h('span', { class: 'tool saver', 'data-tool': 'save', title: t('save') }, icon('save'), select);
  }

  #build() {
    const { editor, t, actions } = this;
    this.mode = this.#segmented(t('hands'), ['right', 'left', 'both'], (mode) => editor.setMode(mode));
    this.view = this.#segmented(t('view'), ['picture', 'orbit'], (view) => this.showView(view));
    this.undo = this.#tool('undo', () => editor.undo());
    this.redo = this.#tool('redo', () => editor.redo());
    this.match = this.#tool('match', () => editor.matchOther());
    this.ghost = this.#tool('ghost', () => this.showGhost(!this.ghostOn));
    this.help = this.#tool('help', () => this.showHelp(this.sheet.hidden));
    this.help.setAttribute('aria-expanded', 'false');
    this.file = h('input', { type: 'file', accept: '.json,.npz,application/json', hidden: true, 'aria-label': t('load'), onchange: () => {
      if (this.file.files[0]) actions.load(this.file.files[0]);
      this.file.value = '';
    } });
    this.switches = h('div', { class: 'switches' }, this.mode.element, this.view.element);
    this.toolbar = h('div', { class: 'toolbar', role: 'toolbar', 'aria-label': t('editor') },
      this.undo, this.redo, h('i', {}),
      this.#tool('mirror', () => editor.mirror()), this.match, this.#tool('fit', () => editor.fit()), h('i', {}),
      this.#tool('random', actions.random), this.#tool('reset', () => editor.reset()), this.ghost, h('i', {}),
      this.#saver(), this.#tool('load', () => this.file.click()), this.help, this.file);
    this.sheet = h('dl', { class: 'sheet', hidden: true },
      ...t('keys').flatMap(([keys, what]) => [h('dt', {}, keys), h('dd', {}, what)]));
    this.parts = h('div', { class: 'parts', role: 'group', 'aria-label': t('fingers') },
      ...[WRIST, ...FINGERS].map((finger) => h('button', { type: 'button', 'aria-pressed': 'false', 'data-finger': finger,
        onclick: () => editor.select({ finger, joint: finger === WRIST ? 0 : null }) }, h('i', {}), t(finger))));
    this.controls = h('div', { class: 'controls' });
    this.previews = h('div', { class: 'previews', role: 'group', 'aria-label': t('previews'), hidden: true });
    this.element = h('div', { class: 'panel' }, this.toolbar, this.sheet, this.parts, this.controls,
      this.#buildBlend(), this.#buildShape(), this.previews);
    this.shown = null;
    this.rebuildSliders();
    this.view.mark(this.shownView);
    this.ghost.setAttribute('aria-pressed', String(this.ghostOn));
    this.markHistory();
  }

  showView(view) {
    this.shownView = view;
    this.view.mark(view);
    this.actions.view(view);
  }

  showGhost(on) {
    this.ghostOn = on;
    this.ghost.setAttribute('aria-pressed', String(on));
    this.actions.ghost(on);
  }

  showHelp(on) {
    this.sheet.hidden = !on;
    this.help.setAttribute('aria-expanded', String(on));
  }

  markHistory() {
    this.undo.disabled = !this.editor.canUndo;
    this.redo.disabled = !this.editor.canRedo;
  }

  markHands() {
    if (!this.editor.hands.length) return;
    this.mode.mark(this.editor.mode);
    this.match.disabled = this.editor.mode !== 'both';
  }

  // --- sliders of the chosen part ------------------------------------------------------------------

  rebuildSliders() {
    const { editor } = this;
    const { finger } = editor.selection;
    for (const button of this.parts.children) button.setAttribute('aria-pressed', String(button.dataset.finger === finger));
    if (this.shown === finger) return;
    this.shown = finger;
    const done = () => editor.commit();
    this.sliders = [];
    const add = (options) => {
      const made = slider({ ...options, done });
      this.sliders.push(made);
      return made.element;
    };
    const group = (title, ...rows) => h('fieldset', {}, h('legend', {}, title), ...rows);
    this.controls.replaceChildren(...(finger === WRIST ? this.#wristGroups(add, group) : this.#fingerGroups(finger, add, group)));
    this.sync();
  }

  #fingerGroups(finger, add, group) {
    const { editor, t } = this;
    const { anatomy } = editor.rig;
    const curl = add({ label: `${t(finger)}, ${t('curl')}`, kind: 'curl', min: 0, max: 100, step: 1, format: (v) => `${Math.round(v)} %`,
      read: () => editor.hand.curl(finger) * 100, write: (v) => editor.setCurl(editor.hand, finger, v / 100) });
    const rows = jointsOf(finger).flatMap((joint, i) => ANGLE_NAMES.flatMap((name, k) => {
      if (!anatomy.isFree(joint, k)) return [];
      const [low, high] = anatomy.limits[joint - 1][k].map((x) => x * DEG);
      const write = (v) => {
        const angles = editor.hand.angles(joint);
        angles[k] = v / DEG;
        editor.select({ joint });
        editor.setAngles(editor.hand, joint, angles);
      };
      return [add({ label: `${t(finger)}, ${t(`short${i + 1}`)} ${t(name).toLowerCase()}`, kind: name, min: Math.ceil(low), max: Math.floor(high), step: 1, format: inDegrees,
        read: () => editor.hand.angles(joint)[k] * DEG, write })];
    }));
    return [group(t(finger), curl, ...rows)];
  }

  #wristGroups(add, group) {
    const { editor, t } = this;
    const turn = ['turn', 'tilt', 'roll'].map((name, k) => add({ label: t(name), kind: ANGLE_NAMES[k], min: k === 1 ? -90 : -180, max: k === 1 ? 90 : 180, step: 1, format: inDegrees,
      read: () => editor.hand.turn()[k] * DEG,
      write: (v) => {
        const angles = editor.hand.turn();
        angles[k] = v / DEG;
        editor.setTurn(editor.hand, angles);
      } }));
    const cm = (v) => `${v.toFixed(1)} ${t('cm')}`;
    const place = ['across', 'down'].map((name, k) => add({ label: t(name), kind: 'place', min: -30, max: 30, step: 0.1, format: cm,
      read: () => editor.hand.cross(editor.hand.palm())[k] * 100,
      write: (v) => {
        const offset = [0, 0, 0];
        offset[k] = v / 100 - editor.hand.cross(editor.hand.palm())[k];
        editor.moveBy(editor.hand, editor.hand.cross(offset));
      } }));
    const [near, far] = DEPTH_LIMITS;
    const distance = add({ label: t('distance'), kind: 'place', min: near * 100, max: far * 50, step: 0.5, format: cm,
      read: () => editor.hand.palm()[2] * 100, write: (v) => editor.setDepth(editor.hand, v / 100) });
    return [group(t('orientation'), ...turn), group(t('position'), ...place, distance)];
  }

  sync() {
    if (!this.editor.hands.length) return;
    for (const one of this.sliders) one.sync();
    if (this.shapeBox.open) for (const one of this.shape) one.sync();
  }

  // --- blend, shape --------------------------------------------------------------------------------

  #buildBlend() {
    const { editor, t } = this;
    if (!editor.gestures.length) return null;
    const option = (value, text) => h('option', { value }, text);
    const gestures = () => editor.gestures.map((g) => option(g.name, g.title[t.lang] ?? g.title.en));
    const from = h('select', { 'aria-label': t('from') }, option('', t('current')), ...gestures());
    const to = h('select', { 'aria-label': t('to') }, ...gestures());
    const handOf = (name) => new Hand(editor.rig, editor.gestures.find((g) => g.name === name).hand);
    let start = null; // the pose that "This pose" means: what it was when the slider was taken
    let share = 0;
    const apply = () => {
      start ??= editor.hand.clone();
      const ends = [from.value ? handOf(from.value) : start, handOf(to.value)];
      editor.blend(editor.hand, ...ends, share, share < 0.5 ? from.value || null : to.value);
    };
    const commit = () => {
      this.blending = true;
      editor.commit();
      this.blending = false;
    };
    const row = slider({ label: t('share'), kind: 'curl', min: 0, max: 100, step: 1, format: (v) => `${Math.round(v)} %`,
      read: () => share * 100,
      write: (v) => { share = v / 100; apply(); row.sync(); },
      done: commit });
    row.sync();
    this.forgetBlend = () => { // another edit came between
      if (this.blending) return;
      start = null;
      share = 0;
      row.sync();
    };
    for (const select of [from, to]) {
      select.addEventListener('change', () => {
        if (share === 0) return;
        apply();
        commit();
      });
    }
    return h('details', { class: 'more' }, h('summary', {}, t('blend')),
      h('div', { class: 'pair' }, h('label', {}, h('span', {}, t('from')), from), h('label', {}, h('span', {}, t('to')), to)), row.element);
  }

  #buildShape() {
    const { editor, t } = this;
    this.shape = Array.from({ length: editor.rig.model.numBetas }, (_, i) => slider({ label: `${t('component')} ${i + 1}`, kind: 'place', min: -BETA_LIMIT, max: BETA_LIMIT, step: 0.1,
      format: (v) => `${v.toFixed(1)} ${t('sd')}`, read: () => editor.hand.betas[i], write: (v) => editor.setBeta(editor.hand, i, v), done: () => editor.commit() }));
    this.shapeBox = h('details', { class: 'more', ontoggle: () => this.sync() }, h('summary', {}, t('shape')), ...this.shape.map((s) => s.element));
    return this.shapeBox;
  }

  // --- previews ------------------------------------------------------------------------------------

  /** @param pictures [{label, src}] data URLs of what the server drew */
  showPreviews(pictures) {
    this.previews.hidden = pictures.length === 0;
    this.previews.replaceChildren(...pictures.map(({ label, src }) => h('figure', {}, h('img', { src, alt: label, width: 96, height: 96 }), h('figcaption', {}, label))));
  }

  // --- words about the selection -------------------------------------------------------------------

  describe() {
    const { editor, t } = this;
    const { hand } = editor;
    const { finger, joint } = editor.selection;
    const parts = editor.hands.length === 2 ? [t(hand.side === 'left' ? 'leftHand' : 'rightHand')] : [];
    if (finger === WRIST) {
      const [turn, tilt, roll] = hand.turn();
      return [...parts, t('wrist'), `${t('turn')} ${degrees(turn)}`, `${t('tilt')} ${degrees(tilt)}`, `${t('roll')} ${degrees(roll)}`].join(' · ');
    }
    parts.push(t(finger));
    if (joint === null) return [...parts, `${t('curl')} ${Math.round(hand.curl(finger) * 100)} %`].join(' · ');
    const { anatomy } = editor.rig;
    parts.push(t(`joint${jointsOf(finger).indexOf(joint) + 1}`));
    hand.angles(joint).forEach((angle, k) => {
      if (!anatomy.isFree(joint, k)) return;
      const [low, high] = anatomy.limits[joint - 1][k];
      const stuck = k === BEND && (angle <= low + 0.002 || angle >= high - 0.002);
      parts.push(`${t(ANGLE_NAMES[k])} ${degrees(angle)}${stuck ? ` (${t('atLimit')})` : ''}`);
    });
    return parts.join(' · ');
  }
}
