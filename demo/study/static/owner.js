// The owner's page: results that refresh themselves, exports, the power calculator.

import { h } from './dom.js';

const REFRESH_MS = 10000;

// Texts first, in the link's or the browser's language; then the token opens the results.
export async function ownerScreen(root, stage, call, query) {
  const language = query.get('lang') || navigator.language;
  const reply = await call({ do: 'words', language }).catch(() => null);
  if (!reply?.texts) { stage.textContent = 'No connection to the server.'; return; }
  const t = reply.texts;
  root.lang = reply.language === 'zh' ? 'zh-Hans' : reply.language;
  const other = reply.languages.find(code => code !== reply.language);
  const link = new URLSearchParams(query);
  link.set('lang', other);
  const switcher = h('p', { class: 'language' },
    h('a', { href: `${location.pathname}?${link}`, lang: other, hreflang: other }, { en: 'English', zh: '中文' }[other]));

  const token = h('input', { type: 'password', id: 'hl-token', autocomplete: 'off', required: true });
  const message = h('p', { class: 'banner', role: 'alert', hidden: true });
  const form = h('form', { class: 'token' },
    h('label', { for: 'hl-token' }, t.token), token, h('button', { class: 'go', type: 'submit' }, t.show));
  stage.replaceChildren(switcher, h('h1', {}, t.title), message, form);
  form.addEventListener('submit', async event => {
    event.preventDefault();
    const desk = new Desk(stage, call, token.value, query.get('study'), reply.language, t);
    const error = await desk.refresh();
    message.hidden = !error;
    message.textContent = error ?? '';
    if (!error) desk.live();
  });
}

class Desk {
  constructor(stage, call, token, study, language, t) {
    Object.assign(this, { stage, call, token, study: study || '', version: '', language, t });
    this.studies = h('select', { id: 'hl-study-choice' });
    this.versions = h('select', { id: 'hl-version' });
    this.when = h('p', { class: 'status', 'aria-live': 'polite' });
    this.report = h('div', { class: 'report' });
    this.studies.addEventListener('change', () => this.choose(this.studies.value, ''));
    this.versions.addEventListener('change', () => this.choose(this.study, this.versions.value));
  }

  // The server's reply, or one that says there is none.
  async ask(request) {
    const full = { token: this.token, study: this.study, version: this.version, language: this.language, ...request };
    return (await this.call(full).catch(() => null)) ?? { error: this.t.no_connection };
  }

  choose(study, version) {
    Object.assign(this, { study, version });
    return this.refresh();
  }

  // Fetch and show the present results; returns what went wrong.
  async refresh() {
    const reply = await this.ask({ do: 'results' });
    if (reply.error) {
      this.when.textContent = reply.error;
      return reply.error;
    }
    Object.assign(this, { study: reply.study, version: reply.version });
    options(this.studies, reply.studies, reply.study);
    options(this.versions, reply.versions, reply.version);
    if (this.shown !== reply.html) this.report.innerHTML = this.shown = reply.html; // made and escaped by the server
    this.when.textContent = this.t.status.replace('{count}', reply.answers).replace('{time}', new Date().toLocaleTimeString());
  }

  live() {
    this.stage.replaceChildren(
      h('h1', {}, this.t.title),
      h('div', { class: 'bar' },
        h('label', { for: 'hl-study-choice' }, this.t.study), this.studies,
        h('label', { for: 'hl-version' }, this.t.version), this.versions,
        ...['csv', 'json', 'codebook'].map(format => this.exportButton(format))),
      this.when, this.powerForm(), this.report);
    const timer = setInterval(() => {
      if (!this.stage.isConnected) clearInterval(timer);
      else if (!document.hidden) this.refresh();
    }, REFRESH_MS);
  }

  exportButton(format) {
    const button = h('button', { type: 'button', 'data-value': format }, { csv: 'CSV', json: 'JSON', codebook: this.t.codebook }[format]);
    button.addEventListener('click', async () => {
      const { name, text, error } = await this.ask({ do: 'export', format });
      if (error) { this.when.textContent = error; return; }
      const url = URL.createObjectURL(new Blob([text], { type: 'text/plain;charset=utf-8' }));
      h('a', { href: url, download: name }).click();
      setTimeout(() => URL.revokeObjectURL(url), 1000);
    });
    return button;
  }

  powerForm() {
    const field = (name, label, value) => h('label', {}, label, h('input', { name, type: 'number', step: 'any', value }));
    const out = h('div', { 'aria-live': 'polite' });
    const { t } = this;
    const form = h('form', {},
      field('share', t.true_share, '0.67'), field('power', t.wanted_power, '0.8'), field('ties', t.tie_share, '0.2'),
      h('button', { type: 'submit' }, t.calculate));
    form.addEventListener('submit', async event => {
      event.preventDefault();
      const reply = await this.ask({ do: 'power', ...Object.fromEntries(new FormData(form)) });
      if (reply.error) out.textContent = reply.error;
      else out.innerHTML = reply.html;
    });
    return h('details', { class: 'power' }, h('summary', {}, t.calculator), form, out);
  }
}

function options(select, values, chosen) {
  select.replaceChildren(...values.map(value => h('option', { value, selected: value === chosen }, value)));
}
