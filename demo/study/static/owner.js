// The owner's page: results that refresh themselves, exports, the power calculator.

import { h } from './dom.js';

const REFRESH_MS = 10000;

export function ownerScreen(stage, call, study) {
  const token = h('input', { type: 'password', id: 'hl-token', autocomplete: 'off', required: true });
  const message = h('p', { class: 'banner', role: 'alert', hidden: true });
  const form = h('form', { class: 'token' },
    h('label', { for: 'hl-token' }, "Owner's token"), token, h('button', { class: 'go', type: 'submit' }, 'Show results'));
  stage.replaceChildren(h('h1', {}, 'Study results'), message, form);
  form.addEventListener('submit', async event => {
    event.preventDefault();
    const desk = new Desk(stage, call, token.value, study);
    const error = await desk.refresh();
    message.hidden = !error;
    message.textContent = error ?? '';
    if (!error) desk.live();
  });
}

class Desk {
  constructor(stage, call, token, study) {
    Object.assign(this, { stage, call, token, study: study || '', version: '' });
    this.studies = h('select', { id: 'hl-study-choice' });
    this.versions = h('select', { id: 'hl-version' });
    this.when = h('p', { class: 'status', 'aria-live': 'polite' });
    this.report = h('div', { class: 'report' });
    this.studies.addEventListener('change', () => this.choose(this.studies.value, ''));
    this.versions.addEventListener('change', () => this.choose(this.study, this.versions.value));
  }

  // The server's reply, or one that says there is none.
  async ask(request) {
    const full = { token: this.token, study: this.study, version: this.version, ...request };
    return (await this.call(full).catch(() => null)) ?? { error: 'No connection to the server.' };
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
    this.when.textContent = `${reply.answers} answers; ${new Date().toLocaleTimeString()}`;
  }

  live() {
    this.stage.replaceChildren(
      h('h1', {}, 'Study results'),
      h('div', { class: 'bar' },
        h('label', { for: 'hl-study-choice' }, 'Study'), this.studies,
        h('label', { for: 'hl-version' }, 'Version'), this.versions,
        ...['csv', 'json', 'codebook'].map(format => this.exportButton(format))),
      this.when, this.powerForm(), this.report);
    const timer = setInterval(() => {
      if (!this.stage.isConnected) clearInterval(timer);
      else if (!document.hidden) this.refresh();
    }, REFRESH_MS);
  }

  exportButton(format) {
    const button = h('button', { type: 'button', 'data-value': format }, { csv: 'CSV', json: 'JSON', codebook: 'Codebook' }[format]);
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
    const form = h('form', {},
      field('share', 'True preference to find', '0.67'), field('power', 'Power', '0.8'), field('ties', 'Share of ties', '0.2'),
      h('button', { type: 'submit' }, 'Calculate'));
    form.addEventListener('submit', async event => {
      event.preventDefault();
      const reply = await this.ask({ do: 'power', ...Object.fromEntries(new FormData(form)) });
      if (reply.error) out.textContent = reply.error;
      else out.innerHTML = reply.html;
    });
    return h('details', { class: 'power' }, h('summary', {}, 'Power calculator: how many participants?'), form, out);
  }
}

function options(select, values, chosen) {
  select.replaceChildren(...values.map(value => h('option', { value, selected: value === chosen }, value)));
}
