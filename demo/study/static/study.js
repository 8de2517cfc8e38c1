// The study in the browser: shows what the server says, sends what the participant answers, keeps nothing else.
// mount(root, {call}) is its only door; call(request) is demo.study.service.StudyService.call on the server.

import { ownerScreen } from './owner.js';
import { h, safeStorage } from './dom.js';
import { ZoomTogether } from './zoom.js';

const RETRY_MS = [500, 1000, 2000, 4000, 8000];
const SHORTCUTS = { a: 'left', arrowleft: 'left', b: 'right', arrowright: 'right', t: 'tie', n: 'both_bad' };
const SETTLE_MS = 250; // a new question takes no answer for so long: a double click is one answer
const ORDER = ['left', 'tie', 'both_bad', 'right']; // the outer buttons stand under their picture

export async function mount(root, { call }) {
  root.replaceChildren();
  root.classList.add('hl-study');
  const query = new URLSearchParams(location.search);
  const banner = h('p', { class: 'banner', role: 'alert', hidden: true });
  const stage = h('div', { class: 'stage' });
  const live = h('p', { class: 'visually-hidden', 'aria-live': 'polite' });
  root.append(banner, stage, live);

  if (query.has('owner')) {
    ownerScreen(root, stage, call, query);
    root.dataset.screen = 'owner';
    return;
  }
  new Session({ root, stage, banner, live, call, query }).start();
}

// A clock that stands still while the participant pauses or looks elsewhere.
class Stopwatch {
  constructor() {
    this.total = 0;
    this.since = document.hidden ? null : performance.now();
  }
  ms() {
    return Math.round(this.total + (this.since === null ? 0 : performance.now() - this.since));
  }
  hold(still) {
    if (still === (this.since === null)) return;
    if (still) this.total = this.ms();
    this.since = still ? null : performance.now();
  }
}

class Session {
  constructor({ root, stage, banner, live, call, query }) {
    Object.assign(this, { root, stage, banner, live, send: call });
    this.study = query.get('study');
    this.source = query.has('PROLIFIC_PID') ? 'prolific' : 'link';
    this.language = query.get('lang') || navigator.language;
    this.pid = this.study && this.identify(query.get('PROLIFIC_PID') || query.get('pid'));
    this.watches = [];
    this.onKey = event => this.pressed(event);
    document.addEventListener('keydown', this.onKey);
    document.addEventListener('visibilitychange', () => this.hold(document.hidden || this.paused()));
  }

  // The participant's own random text: from their link, or from the last visit, or new.
  identify(given) {
    const key = `handlab-study/${this.study}`;
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    const pid = given || safeStorage(key) || [...bytes].map(b => b.toString(16).padStart(2, '0')).join('');
    safeStorage(key, pid);
    return pid;
  }

  start() {
    return this.ask({ do: this.study ? 'open' : 'studies' });
  }

  // Ask the server until it answers: every request may be sent twice without harm.
  async ask(request) {
    const full = { study: this.study, pid: this.pid, language: this.language, source: this.source, ...request };
    for (let attempt = 0; ; attempt++) {
      const reply = await this.send(full).catch(() => null);
      if (reply) {
        this.banner.hidden = true;
        return this.show(reply);
      }
      this.warn(this.texts?.lost ?? 'No connection to the server; trying again …');
      await new Promise(done => setTimeout(done, RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)]));
    }
  }

  warn(sentence) {
    this.banner.textContent = sentence;
    this.banner.hidden = false;
  }

  show(reply) {
    if (reply.texts) {
      Object.assign(this, { texts: reply.texts, language: reply.language, languages: reply.languages });
      this.root.lang = reply.language === 'zh' ? 'zh-Hans' : reply.language;
    }
    if (reply.title) Object.assign(this, { title: reply.title, contact: reply.contact });
    if (reply.error) return this.failed(reply);
    if (reply.screen === 'same') return this.nextQuestion();
    this.watches = [];
    this.trial = null;
    this.root.dataset.screen = reply.screen;
    this[`${reply.screen}Screen`](reply);
  }

  failed({ error, code }) {
    if (code === 'stale') return this.start();
    if (this.trial) {
      this.warn(error);
      this.setChoices(true);
      return;
    }
    this.root.dataset.screen = 'error';
    this.fill(h('h1', {}, error));
  }

  // Put a screen on the stage and let a screen reader start at its heading.
  fill(...content) {
    const first = !this.stage.childElementCount;
    this.stage.replaceChildren(...content.filter(Boolean));
    const heading = this.stage.querySelector('[data-start]') ?? this.stage.querySelector('h1');
    heading?.setAttribute('tabindex', '-1');
    if (!first) {
      this.root.scrollIntoView({ block: 'start' });
      heading?.focus({ preventScroll: true });
    }
  }

  // --- screens ------------------------------------------------------------------------------------------

  studiesScreen({ studies }) {
    const t = this.texts;
    const link = study => h('li', {}, h('a', { href: `${location.pathname}?study=${study.name}&lang=${this.language}` }, study.title), paragraphs(study.about));
    this.fill(
      this.languageChoice(),
      h('h1', {}, t.studies),
      h('p', {}, studies.length ? t.choose : t.no_studies),
      h('ul', { class: 'studies' }, ...studies.map(link)),
      h('p', {}, h('a', { href: `${location.pathname}?owner&lang=${this.language}` }, t.owner)),
    );
  }

  consentScreen({ about, consent }) {
    const t = this.texts;
    const agree = h('input', { type: 'checkbox', id: 'hl-agree' });
    const start = h('button', { class: 'go', type: 'submit', disabled: true }, t.start);
    agree.addEventListener('change', () => { start.disabled = !agree.checked; });
    const form = h('form', {},
      h('label', { class: 'agree', for: 'hl-agree' }, agree, h('span', {}, t.agree)), start);
    form.addEventListener('submit', event => {
      event.preventDefault();
      if (!agree.checked) return;
      start.disabled = true;
      this.ask({ do: 'consent', agreed: true });
    });
    this.fill(
      this.languageChoice(),
      h('h1', {}, this.title), paragraphs(about),
      h('h2', {}, t.consent_title), paragraphs(consent),
      h('h2', {}, t.stored_title), h('p', {}, t.stored),
      this.source === 'prolific' && h('p', {}, t.prolific_stored),
      h('p', {}, t.contact + t.colon + this.contact),
      form,
    );
  }

  readyScreen() {
    const t = this.texts;
    this.fill(h('h1', {}, t.ready), h('p', {}, t.ready_hint), h('p', {}, t.ready_text),
      this.button(t.start, () => this.start(), 'go'));
    this.stage.querySelector('button').focus({ preventScroll: true });
  }

  doneScreen({ debriefing, code, url }) {
    const t = this.texts;
    this.fill(
      h('h1', {}, t.done), paragraphs(debriefing),
      code && h('p', { class: 'code' }, t.code + t.colon, h('strong', {}, code)),
      url && h('p', {}, h('a', { class: 'go', href: url }, t.to_prolific)),
      h('p', {}, t.contact + t.colon + this.contact),
      this.button(t.withdraw, () => this.confirmWithdrawal(), 'quiet'),
    );
  }

  withdrawnScreen() {
    safeStorage(`handlab-study/${this.study}`, null);
    this.fill(h('h1', {}, this.texts.withdrawn), h('p', {}, this.texts.withdrawn_text));
  }

  fullScreen() {
    this.fill(h('h1', {}, this.texts.full), h('p', {}, this.texts.full_text));
  }

  async trialScreen(reply) {
    const t = this.texts;
    this.trial = reply;
    this.questions = [...reply.questions];
    const practice = reply.number === 0;
    const where = practice ? t.practice : t.progress.replace('{number}', reply.number).replace('{total}', reply.total);
    const pictures = { left: picture(reply.left, t.picture_a), right: picture(reply.right, t.picture_b) };
    const reference = reply.reference && picture(reply.reference, t.hand_alt);
    this.frames = {
      left: h('figure', { 'data-side': 'left' }, h('div', { class: 'frame' }, pictures.left), h('figcaption', { 'aria-hidden': 'true' }, 'A')),
      right: h('figure', { 'data-side': 'right' }, h('div', { class: 'frame' }, pictures.right), h('figcaption', { 'aria-hidden': 'true' }, 'B')),
    };
    const wanted = h('div', { class: 'frame' }, reference);
    this.zoom = new ZoomTogether([
      ...Object.values(this.frames).map(frame => frame.firstChild), ...(reply.aligned && reference ? [wanted] : [])]);
    this.brief = {
      prompt: h('p', { hidden: true }, t.asked_prompt + t.colon, h('q', {}, reply.prompt)),
      hand: h('div', { class: 'reference', hidden: true }, h('p', {}, t.asked_hand), wanted),
    };
    this.questionTitle = h('h2', { 'data-start': true });
    this.counter = h('p', { class: 'counter' });
    this.choices = h('div', { class: 'choices', role: 'group' });
    this.status = h('p', { class: 'status' }, t.loading);
    this.fill(
      h('h1', { class: 'visually-hidden' }, this.title),
      h('div', { class: 'top' },
        h('p', { class: 'progress', id: 'hl-progress' }, where),
        h('progress', { max: reply.total, value: Math.max(0, reply.number - 1), 'aria-labelledby': 'hl-progress' }),
        this.button(t.pause, () => this.pause(), 'quiet')),
      h('div', { class: 'brief' }, this.brief.prompt, this.brief.hand),
      h('div', { class: 'pair' }, this.frames.left, this.frames.right),
      h('div', { class: 'zoom', title: t.zoom_help },
        this.button('−', () => this.zoom.by(1 / 1.5), 'small', t.zoom_out),
        this.button('+', () => this.zoom.by(1.5), 'small', t.zoom_in),
        this.button(t.zoom_reset, () => this.zoom.reset(), 'small')),
      this.counter, this.questionTitle, this.choices, this.status,
      this.shortcutChoice(),
    );
    this.pose(this.questions[0]);
    await Promise.all([pictures.left, pictures.right, reference].filter(Boolean).map(image => image.decode()));
    if (this.trial !== reply) return;
    this.viewed = this.watch();
    this.responded = this.watch();
    this.status.textContent = reply.minimum_view_s ? t.looking : '';
    while (this.viewed.ms() < reply.minimum_view_s * 1000) await new Promise(done => setTimeout(done, 50));
    if (this.trial === reply) this.setChoices(true);
  }

  // --- questions ----------------------------------------------------------------------------------------

  pose(question) {
    const t = this.texts;
    this.question = question;
    const number = this.trial.questions_total - this.questions.length + 1;
    this.counter.textContent = t.question.replace('{number}', number).replace('{total}', this.trial.questions_total);
    const rated = { left: t.rate_a, right: t.rate_b }[question.side];
    this.questionTitle.textContent = rated ? rated + t.colon + question.text : question.text;
    this.brief.prompt.hidden = question.shows !== 'prompt';
    this.brief.hand.hidden = question.shows !== 'hand';
    for (const side of ['left', 'right']) this.frames[side].classList.toggle('dimmed', question.side !== '' && question.side !== side);
    this.choices.className = `choices ${question.kind}`;
    const rating = question.kind === 'rating';
    const values = rating ? ['1', '2', '3', '4', '5'] : ORDER.filter(value => question.options.includes(value));
    const buttons = values.map(value => {
      const button = this.button(rating ? value : t[value], () => this.choose(value));
      button.dataset.value = value;
      button.disabled = true;
      return button;
    });
    this.choices.setAttribute('aria-label', this.questionTitle.textContent);
    this.choices.replaceChildren(...(rating ? [h('span', {}, question.low), ...buttons, h('span', {}, question.high)] : buttons));
  }

  nextQuestion() {
    this.questions.shift();
    this.pose(this.questions[0]);
    this.live.textContent = this.texts.saved;
    this.responded = this.watch();
    this.questionTitle.focus({ preventScroll: true });
    setTimeout(() => this.trial && this.setChoices(true), SETTLE_MS);
  }

  setChoices(open) {
    for (const button of this.choices.querySelectorAll('button')) button.disabled = !open;
    if (open) this.status.textContent = '';
    this.root.dataset.ready = open ? '1' : '';
  }

  choose(value) {
    if (this.root.dataset.ready !== '1') return;
    this.setChoices(false);
    this.ask({
      do: 'answer', trial: this.trial.trial, answer: this.question.answer, value,
      response_ms: this.responded.ms(), viewed_ms: this.viewed.ms(),
    });
  }

  watch() {
    const watch = new Stopwatch();
    this.watches.push(watch);
    return watch;
  }

  hold(still) {
    for (const watch of this.watches) watch.hold(still);
  }

  pressed(event) {
    if (!this.root.isConnected) return document.removeEventListener('keydown', this.onKey);
    if (!this.trial || this.paused() || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.target.matches?.('input, select, textarea') || safeStorage('handlab-study-keys') === 'off') return;
    const key = (event.key === 'Process' ? event.code.replace('Key', '') : event.key).toLowerCase();
    const act = this.actionFor(key);
    if (!act) return;
    event.preventDefault();
    act();
  }

  actionFor(key) {
    const rating = this.question.kind === 'rating';
    if (rating && '12345'.includes(key)) return () => this.choose(key);
    if (!rating && this.question.options.includes(SHORTCUTS[key])) return () => this.choose(SHORTCUTS[key]);
    return {
      '+': () => this.zoom.by(1.5), '=': () => this.zoom.by(1.5), '-': () => this.zoom.by(1 / 1.5), '0': () => this.zoom.reset(),
      p: () => this.pause(),
    }[key];
  }

  // --- pause and leave ----------------------------------------------------------------------------------

  paused() {
    return Boolean(this.stage.querySelector('dialog[open]'));
  }

  pause() {
    const t = this.texts;
    const link = new URL(location.href);
    if (this.source !== 'prolific') link.search = new URLSearchParams({ study: this.study, pid: this.pid });
    this.dialog(
      h('h2', {}, t.paused), h('p', {}, t.paused_text),
      h('label', {}, t.link, h('input', { readonly: true, value: link.href })),
      this.button(t.resume, event => event.target.closest('dialog').close(), 'go'),
      this.button(t.withdraw, event => { event.target.closest('dialog').close(); this.confirmWithdrawal(); }, 'quiet'),
    );
  }

  confirmWithdrawal() {
    const t = this.texts;
    this.dialog(
      h('h2', {}, t.withdraw_sure),
      this.button(t.withdraw_no, event => event.target.closest('dialog').close(), 'go'),
      this.button(t.withdraw_yes, event => { event.target.closest('dialog').close(); this.ask({ do: 'withdraw' }); }, 'quiet'),
    );
  }

  // A dialog over the stage; the pictures are hidden and the clocks stand while it is open.
  dialog(...content) {
    const dialog = h('dialog', {}, ...content);
    dialog.setAttribute('aria-label', content[0].textContent);
    this.stage.append(dialog);
    dialog.addEventListener('close', () => {
      dialog.remove();
      this.root.classList.remove('is-paused');
      this.hold(document.hidden);
    });
    this.root.classList.add('is-paused');
    this.hold(true);
    dialog.showModal();
    dialog.querySelector('button').focus();
  }

  // --- parts --------------------------------------------------------------------------------------------

  button(label, act, kind, name) {
    const button = h('button', { type: 'button', class: kind, 'aria-label': name }, label);
    button.addEventListener('click', act);
    return button;
  }

  languageChoice() {
    const names = { en: 'English', zh: '中文' };
    const select = h('select', { id: 'hl-language' },
      ...this.languages.map(code => h('option', { value: code, selected: code === this.language }, names[code])));
    select.addEventListener('change', () => { this.language = select.value; this.start(); });
    return h('p', { class: 'language' }, h('label', { for: 'hl-language' }, this.texts.language), select);
  }

  shortcutChoice() {
    const t = this.texts;
    const box = h('input', { type: 'checkbox', id: 'hl-keys', checked: safeStorage('handlab-study-keys') !== 'off' });
    box.addEventListener('change', () => safeStorage('handlab-study-keys', box.checked ? 'on' : 'off'));
    return h('p', { class: 'keys' }, h('label', { for: 'hl-keys' }, box, t.keys), h('span', {}, t.keys_help));
  }
}

// Blank lines part paragraphs; a line's end inside one is a space, between Chinese characters nothing.
function paragraphs(text) {
  const flow = part => part.replace(/(?<=[\u3000-\uffef])\n(?=[\u3000-\uffef])/g, '').replace(/\n/g, ' ');
  return h('div', {}, ...text.trim().split(/\n\s*\n/).map(part => h('p', {}, flow(part))));
}

// A picture without a name: its bytes came inside the reply.
function picture(base64, alt) {
  const bytes = Uint8Array.from(atob(base64), character => character.charCodeAt(0));
  const url = URL.createObjectURL(new Blob([bytes], { type: 'image/webp' }));
  const image = h('img', { src: url, alt, draggable: 'false' });
  image.addEventListener('load', () => URL.revokeObjectURL(url), { once: true });
  return image;
}
