// Small helpers for building elements.

const SVG = 'http://www.w3.org/2000/svg';

const fill = (element, attributes, children) => {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name in element && typeof value === 'boolean') element[name] = value;
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.filter((c) => c !== null && c !== undefined));
  return element;
};

export const h = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
export const svg = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

const ICONS = {
  undo: 'M8 5 4 9l4 4M4 9h9a6 6 0 0 1 0 12h-3',
  redo: 'm16 5 4 4-4 4m4-4h-9a6 6 0 0 0 0 12h3',
  mirror: 'M12 3v18M9 7 3 17h6zM15 7l6 10h-6z',
  match: 'M4 7h11m-3-3 3 3-3 3M20 17H9m3-3-3 3 3 3',
  reset: 'M5 5v5h5M5.5 10a7.5 7.5 0 1 1-1 5',
  random: 'M4 7h3c5 0 5 10 10 10h3m-3-3 3 3-3 3M4 17h3c2 0 3.200-1.500 4.200-3.500M13 10c1-2 2.200-3 4-3h3m-3-3 3 3-3 3',
  fit: 'M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5M9 9h6v6H9z',
  ghost: 'M5 21V11a7 7 0 0 1 14 0v10l-3-2-2 2-2-2-2 2-2-2zM9.500 11v.01M14.500 11v.01',
  save: 'M12 4v11m-4-4 4 4 4-4M5 19h14',
  load: 'M12 15V4M8 8l4-4 4 4M5 19h14',
  help: 'M9 9a3 3 0 1 1 4.500 2.600c-1 .6-1.500 1.200-1.500 2.400M12 18v.01',
};

export const icon = (name) =>
  svg('svg', { viewBox: '0 0 24 24', 'aria-hidden': 'true', class: 'icon' }, svg('path', { d: ICONS[name] }));
