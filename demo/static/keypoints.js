// The 21 keypoints of a hand over a photo, to be put right by hand: drag a point, or Tab to it and use the arrow keys.
// mount(host, {apply}) answers with show(state); state = {image, width, height, points, side, words} or null.

const SVG = 'http://www.w3.org/2000/svg';
// Thumb to little finger, wrist first: OpenPose's and MediaPipe's order.
const FINGERS = [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 15, 16], [17, 18, 19, 20]];
const COLOURS = ['#ff5a5f', '#ffb400', '#3ddc84', '#2fa8ff', '#b86bff'];
const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const svg = (tag, attributes, ...children) => {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};
const html = (tag, attributes, ...children) => {
  const element = Object.assign(document.createElement(tag), attributes);
  element.append(...children);
  return element;
};

export function mount(host, { apply }) {
  let state = null;
  let dots = [];
  let bones = [];

  const clamp = ([x, y]) => [Math.min(Math.max(x, 0), state.width), Math.min(Math.max(y, 0), state.height)];
  const nameOf = (i) => {
    const { words } = state;
    if (i === 0) return words.wrist;
    return words.point.replace('{finger}', words.fingers[Math.floor((i - 1) / 4)]).replace('{number}', ((i - 1) % 4) + 1);
  };

  function place(i, point) {
    state.points[i] = clamp(point);
    redraw();
  }

  function redraw() {
    state.points.forEach(([x, y], i) => {
      dots[i].setAttribute('transform', `translate(${x} ${y})`);
      dots[i].setAttribute('aria-label', `${nameOf(i)}: ${Math.round(x)}, ${Math.round(y)}`);
    });
    for (const { line, from, to } of bones) {
      const [[x1, y1], [x2, y2]] = [state.points[from], state.points[to]];
      for (const [name, value] of Object.entries({ x1, y1, x2, y2 })) line.setAttribute(name, value);
    }
  }

  function picture() {
    const unit = Math.max(state.width, state.height) / 100;
    const colour = (i) => (i === 0 ? '#ffffff' : COLOURS[Math.floor((i - 1) / 4)]);
    bones = FINGERS.flatMap((joints) => [0, ...joints].slice(0, -1).map((from, k) => ({
      from, to: joints[k], line: svg('line', { stroke: colour(joints[k]), 'stroke-width': unit * 0.7, 'stroke-linecap': 'round' }),
    })));
    dots = state.points.map((_, i) => {
      const dot = svg('g', { tabindex: 0, role: 'img', class: 'dot', 'data-point': i },
        svg('circle', { r: unit * 4, fill: 'transparent' }), // as large as a finger needs
        svg('circle', { r: unit * 1.5, fill: colour(i), stroke: '#000', 'stroke-width': unit * 0.35, class: 'mark' }));
      dot.addEventListener('pointerdown', (event) => {
        event.preventDefault();
        dot.focus({ preventScroll: true });
        dot.setPointerCapture(event.pointerId);
      });
      dot.addEventListener('pointermove', (event) => {
        if (dot.hasPointerCapture(event.pointerId)) place(i, inPicture(event));
      });
      dot.addEventListener('keydown', (event) => {
        const step = STEPS[event.key];
        if (!step) return;
        event.preventDefault();
        event.stopPropagation();
        const far = (event.shiftKey ? 5 : 0.5) * unit;
        place(i, [state.points[i][0] + step[0] * far, state.points[i][1] + step[1] * far]);
      });
      return dot;
    });
    return svg('svg', { viewBox: `0 0 ${state.width} ${state.height}`, class: 'pad', role: 'group', 'aria-label': state.words.pad },
      svg('image', { href: state.image, width: state.width, height: state.height }),
      ...bones.map(({ line }) => line), ...dots);
  }

  function inPicture(event) {
    const box = host.querySelector('svg').getBoundingClientRect();
    return [((event.clientX - box.left) * state.width) / box.width, ((event.clientY - box.top) * state.height) / box.height];
  }

  function sides() {
    const radio = (side) => html('label', {}, html('input', {
      type: 'radio', name: 'keypoints-side', value: side, checked: state.side === side, onchange: () => { state.side = side; },
    }), ` ${state.words[side]}`);
    return html('fieldset', { className: 'sides' }, html('legend', {}, state.words.side), radio('right'), radio('left'));
  }

  return {
    show(next) {
      host.hidden = !next;
      if (!next) {
        host.replaceChildren();
        state = null;
        return;
      }
      state = structuredClone(next);
      const button = html('button', { type: 'button', className: 'use', textContent: state.words.use });
      button.addEventListener('click', () => apply({ points: state.points, side: state.side }));
      host.replaceChildren(html('p', { className: 'say', textContent: state.words.help }), picture(),
        html('div', { className: 'bar' }, sides(), button));
      redraw();
    },
  };
}
