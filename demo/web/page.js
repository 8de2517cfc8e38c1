// What the page does by itself: language and darkness of the document, keys, the shared zoom, the link.
// Buttons carry data-* attributes; one listener on the document serves them all, whatever gradio re-renders.

const handlab = (() => {
  const DARK = 'handlab-dark';
  const ZOOM_KEY = 'z';
  const find = (selector) => document.querySelector(selector);

  const isTyping = (element) => element.closest('input, textarea, select, [contenteditable], .hand-editor-host');

  function setDark(dark) {
    document.body.classList.toggle('dark', dark);
    localStorage.setItem(DARK, dark ? '1' : '0');
  }

  function zoom(on) {
    find('#board')?.classList.toggle('zoomed', on);
  }

  // While zoomed, the pointer over one picture moves all of them: the same place, side by side.
  function pan(event) {
    const frame = event.target.closest?.('.zoomed .hl-card .frame');
    const board = find('#board');
    if (!board) return;
    if (!frame) {
      board.style.removeProperty('--pan-x');
      board.style.removeProperty('--pan-y');
      return;
    }
    const box = frame.getBoundingClientRect();
    board.style.setProperty('--pan-x', `${(100 * (event.clientX - box.left)) / box.width}%`);
    board.style.setProperty('--pan-y', `${(100 * (event.clientY - box.top)) / box.height}%`);
  }

  function showBoard() {
    const board = find('#status');
    if (board && board.getBoundingClientRect().top > window.innerHeight * 0.7) {
      board.scrollIntoView({ behavior: 'smooth', block: 'start' });
    }
  }

  async function copyLink(query) {
    if (!query) return;
    const url = new URL(query, window.location.origin + window.location.pathname);
    window.history.replaceState(null, '', url);
    const button = find('#link');
    try {
      await navigator.clipboard.writeText(url.href);
      button?.classList.add('copied');
      setTimeout(() => button?.classList.remove('copied'), 1600);
    } catch {
      // no clipboard without https: the address bar has the link
    }
  }

  // gradio's download button takes its file a moment after the event that brings it
  function clickSoon(selector) {
    setTimeout(() => find(selector)?.click(), 150);
  }

  function key(event) {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) {
      find('#generate')?.click();
      event.preventDefault();
      return;
    }
    if (event.altKey && /^Digit[1-9]$/.test(event.code)) {
      document.querySelectorAll('#pages > .tab-wrapper [role=tab]')[Number(event.code.at(-1)) - 1]?.click();
      event.preventDefault();
      return;
    }
    if (isTyping(event.target) || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === 'Escape') find('#stop')?.click();
    else if (event.key === '/') find('#prompt textarea')?.focus();
    else if (event.key.toLowerCase() === ZOOM_KEY) find('#zoom input')?.click();
    else return;
    event.preventDefault();
  }

  document.addEventListener('click', (event) => {
    if (event.target.closest('[data-dark]')) setDark(!document.body.classList.contains('dark'));
    const language = event.target.closest('[data-act=language]')?.dataset.language;
    if (language) document.documentElement.lang = language;
  });
  document.addEventListener('keydown', key);
  document.addEventListener('pointermove', pan, { passive: true });
  // gradio's 3D view puts itself before everything else in the order of Tab
  function orderly() {
    for (const canvas of document.querySelectorAll('canvas[tabindex]:not([tabindex="0"])')) canvas.tabIndex = 0;
  }

  function start() {
    const wanted = localStorage.getItem(DARK);
    if (wanted !== null) setDark(wanted === '1');
    // The header says which language the server speaks; the document's own attribute follows it.
    new MutationObserver(() => {
      const spoken = find('[data-act=language][aria-pressed=true]')?.dataset.language;
      if (spoken && document.documentElement.lang !== spoken) document.documentElement.lang = spoken;
      orderly();
    }).observe(document.body, {
      childList: true, subtree: true, attributes: true, attributeFilter: ['aria-pressed', 'tabindex'],
    });
    orderly();
  }
  if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', start);
  else start();

  return { zoom, showBoard, copyLink, clickSoon };
})();
