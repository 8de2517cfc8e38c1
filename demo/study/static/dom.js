// Two small helpers that the study's scripts share.

// An element from its tag, attributes (false and undefined leave one out, true sets it bare) and children.
export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === undefined || value === null) continue;
    element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.filter(child => child || child === 0));
  return element;
}

const memory = new Map();

// localStorage where the browser allows it, this page's memory where not. A value of null deletes.
export function safeStorage(key, value) {
  try {
    if (value === undefined) return localStorage.getItem(key);
    if (value === null) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    if (value === undefined) return memory.get(key) ?? null;
    if (value === null) memory.delete(key);
    else memory.set(key, value);
  }
  return value;
}
