// HandLab's hand pose editor: mount(host, config) builds it inside a shadow root and answers with its handles.

import { Anatomy, jointsOf } from './anatomy.js';
import { h } from './dom.js';
import { Editor, WRIST } from './editor.js';
import { Hand } from './hand.js';
import { pageLanguage, translator } from './i18n.js';
import { Keyboard } from './keyboard.js';
import { HandModel, readMesh } from './model.js';
import { ANGLE_NAMES, Overlay } from './overlay.js';
import { Panel } from './panel.js';
import { Pointer } from './pointer.js';
import { skinTint, Stage } from './stage.js';
import { Surface } from './surface.js';
import css from './style.css';

const OCCLUDE_MS = 90; // after the last movement
const LARGEST_FILE = 1 << 20; // bytes

function download(bytes, name) {
  const url = URL.createObjectURL(new Blob([bytes]));
  h('a', { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

function base64(bytes) {
  let text = '';
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text);
}

/** 'none', 'software' (drawn by the processor) or 'gpu'. */
function graphics() {
  const gl = document.createElement('canvas').getContext('webgl2');
  if (!gl) return 'none';
  const info = gl.getExtension('WEBGL_debug_renderer_info');
  const name = info ? gl.getParameter(info.UNMASKED_RENDERER_WEBGL) : '';
  gl.getExtension('WEBGL_lose_context')?.loseContext();
  return /swiftshader|llvmpipe|software|basic render/i.test(name) ? 'software' : 'gpu';
}

async function loadRig(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
  const mesh = readMesh(await response.arrayBuffer());
  const model = new HandModel(mesh);
  const surface = new Surface(model.faces, model.count);
  return { model, surface, anatomy: new Anatomy(mesh.anatomy), tint: skinTint(surface, model) };
}

/**
 * @param host an empty element
 * @param config {mesh: url, lang: 'en', 'zh' or null for the page's, gestures: [{name, title: {en, zh}, hand}],
 *   randomPose(side): Promise of (45,) rad, readPose(base64, value): Promise of {value, notices} or {error},
 *   writePose(value, form): Promise of {name, content} or {error}, onCommit(value)}
 * @returns {Promise<{setValue, getValue, showPreviews, dispose}>}
 */
export async function mount(host, config) {
  const root = host.shadowRoot ?? host.attachShadow({ mode: 'open' });
  const t = translator(config.lang ?? pageLanguage());
  const frame = h('div', { class: 'editor', lang: t.lang, role: 'group', 'aria-label': t('editor') });
  root.replaceChildren(h('style', {}, css), frame);
  const message = (text) => frame.replaceChildren(h('p', { class: 'message', role: 'status' }, text));
  const kind = graphics();
  if (kind === 'none') {
    message(t('noWebGL'));
    return { setValue() {}, getValue: () => null, showPreviews() {}, dispose() {} };
  }
  message(t('loading'));
  try {
    return build(host, frame, await loadRig(config.mesh), t, { ...config, plain: config.plain ?? kind === 'software' });
  } catch (error) {
    message(t('failed', { reason: error.message }));
    throw error;
  }
}

function build(host, frame, rig, t, config) {
  const editor = new Editor(rig, config.gestures ?? []);
  const viewport = h('div', { class: 'viewport', tabindex: '-1', role: 'application', 'aria-label': t('viewport') });
  const status = h('p', { class: 'status', role: 'status' });
  const stage = new Stage(viewport, rig, { plain: config.plain, onFrame: () => { overlay.update(); panel.sync(); } });
  const overlay = new Overlay(viewport, stage, editor, t);

  // --- actions that need the page ------------------------------------------------------------------

  const say = (text) => { status.textContent = text; };
  const ghostHands = () => JSON.parse(editor.preset).hands.map((data) => new Hand(rig, data));
  const panel = new Panel(editor, t, {
    async random() {
      const { hand } = editor;
      try {
        editor.setPose(hand, await config.randomPose(hand.side));
      } catch {
        say(t('noServer'));
      }
    },
    async save(form) {
      if (form === 'json') {
        const file = `hand-${editor.gesture ?? 'pose'}.json`;
        download(new TextEncoder().encode(JSON.stringify(editor, null, 1)), file);
        say(t('saved', { file }));
        return;
      }
      const { name, content, error } = await config.writePose(editor.toJSON(), form).catch(() => ({ error: t('noServer') }));
      if (!error) download(Uint8Array.from(atob(content), (c) => c.charCodeAt(0)), name);
      say(error ?? t('saved', { file: name }));
    },
    async load(file) {
      if (file.size > LARGEST_FILE) {
        say(t('largeFile'));
        return;
      }
      const bytes = new Uint8Array(await file.arrayBuffer());
      try {
        editor.load(JSON.parse(new TextDecoder().decode(bytes)));
        say(t('loaded', { file: file.name }));
        return;
      } catch { /* of another form: the server knows those */ }
      const { value, notices, error } = await config.readPose(base64(bytes), editor.toJSON()).catch(() => ({ error: t('noServer') }));
      if (!error) editor.load(value);
      say(error ?? [t('loaded', { file: file.name }), ...notices].join(' '));
    },
    view(view) {
      viewport.dataset.view = view;
      stage.setView(view, { animate: !window.matchMedia('(prefers-reduced-motion: reduce)').matches });
    },
    ghost: (on) => stage.setGhost(on ? ghostHands() : []),
  });
  frame.replaceChildren(h('div', { class: 'layout' }, h('div', { class: 'main' }, panel.switches, viewport, status), panel.element));
  viewport.dataset.view = 'picture';

  // --- selection and highlight ---------------------------------------------------------------------

  const glowOf = (part) => {
    if (!part || part.finger === WRIST) return null;
    const joints = part.joint === null ? jointsOf(part.finger) : [part.joint];
    const { skin_index: index, skin_weight: weight } = rig.model.arrays;
    const values = new Float32Array(rig.model.count);
    index.forEach((joint, i) => { if (joints.includes(joint)) values[Math.floor(i / rig.model.influences)] += weight[i]; });
    return values;
  };
  let hovered = null;
  const light = () => {
    const part = hovered ?? editor.selection;
    const hand = editor.hands[part.hand];
    if (hand) stage.highlight(hand, glowOf(part));
  };
  const pointer = new Pointer(viewport, stage, overlay, editor, (part) => { hovered = part; light(); });
  new Keyboard(frame, viewport, editor, overlay, pointer);

  // --- the editor's news ---------------------------------------------------------------------------

  let sides = '', occludeTimer;
  editor.on('replace', () => {
    stage.setHands(editor.hands);
    stage.setCamera(editor.camera);
    const now = editor.hands.map((hand) => hand.side).join();
    if (now !== sides) overlay.rebuild();
    sides = now;
    panel.markHands();
    light();
  });
  editor.on('change', () => {
    stage.refresh();
    say(panel.describe());
    clearTimeout(occludeTimer);
    occludeTimer = setTimeout(() => !stage.disposed && overlay.occlude(), OCCLUDE_MS);
  });
  editor.on('select', () => {
    overlay.mark();
    panel.rebuildSliders();
    light();
    say(panel.describe());
    stage.invalidate();
  });
  editor.on('history', () => panel.markHistory());
  editor.on('commit', (value) => config.onCommit?.(value));

  // --- the page ------------------------------------------------------------------------------------

  const setTheme = () => {
    const dark = document.body.classList.contains('dark');
    frame.dataset.theme = dark ? 'dark' : 'light';
    stage.setTheme(dark);
  };
  setTheme();
  const theme = new MutationObserver(setTheme);
  theme.observe(document.body, { attributes: true, attributeFilter: ['class'] });
  const size = new ResizeObserver(() => stage.resize());
  size.observe(viewport);
  const sight = new IntersectionObserver(([entry]) => stage.setSeen(entry.isIntersecting));
  sight.observe(viewport);

  const language = new MutationObserver(() => {
    t = translator(pageLanguage());
    frame.lang = t.lang;
    frame.setAttribute('aria-label', t('editor'));
    viewport.setAttribute('aria-label', t('viewport'));
    panel.translate(t);
    overlay.translate(t);
    say(panel.describe());
    stage.invalidate();
  });
  if (!config.lang) language.observe(document.documentElement, { attributes: true, attributeFilter: ['lang'] });

  function dispose() {
    for (const observer of [theme, size, sight, language, leaving]) observer.disconnect();
    stage.dispose();
  }
  const leaving = new MutationObserver(() => !host.isConnected && dispose());
  leaving.observe(document.body, { childList: true, subtree: true });

  const api = {
    /** A composition from Python; nothing happens when it is what is shown. */
    setValue(value) {
      editor.load(value, { silent: true });
      if (panel.ghostOn) panel.showGhost(true);
      panel.markHands();
    },
    getValue: () => editor.toJSON(),
    showPreviews: (pictures) => panel.showPreviews(pictures),
    dispose,
  };
  host.__hand = testHandles(api, { editor, stage, overlay, pointer, viewport });
  return api;
}

/** What browser tests hold on to. */
function testHandles(api, { editor, stage, overlay, pointer, viewport }) {
  const inPage = ({ x, y }) => {
    const box = viewport.getBoundingClientRect();
    return { x: x + box.left, y: y + box.top };
  };
  return {
    ...api,
    editor,
    stage,
    /** Client px of a handle: finger or 'wrist', joint null for the tip. */
    screenOf({ hand = 0, finger, joint = null }) {
      return inPage(stage.project(overlay.positionOf({ hand, finger, joint: finger === WRIST ? 0 : joint })));
    },
    /** Client px of an arc's marker and of the place on it nearest to `angle`. */
    arcOf(name, angle) {
      const { marker, samples } = overlay.arcs.find((arc) => ANGLE_NAMES[arc.k] === name);
      const distance = (sample) => Math.abs(sample.angle - angle);
      return { from: inPage(marker), to: inPage(samples.reduce((a, b) => (distance(a) < distance(b) ? a : b))) };
    },
    /** Take a fingertip as the pointer does: a function of its way in px. */
    hold: (finger) => pointer.hold(editor.hand, finger, null),
    /** Resolves when nothing is left to draw. */
    async settled() {
      for (let still = 0; still < 2; still = stage.needsFrame || stage.journey ? 0 : still + 1) {
        await new Promise(requestAnimationFrame);
      }
    },
    /** World vertices of a hand, (V, 3) flat. */
    verts(hand = 0) {
      const one = editor.hands[hand];
      return Array.from(stage.vertsOf(one), (v, i) => (one.side === 'left' && i % 3 === 0 ? -v : v));
    },
  };
}
