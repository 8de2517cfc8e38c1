// Several pictures under one magnifying glass: what is done to one frame is done to all.

const MOST = 8;
const DOUBLE_TAP = 2.5;

export class ZoomTogether {
  // `frames` are elements that clip the picture inside them.
  constructor(frames) {
    this.frames = frames;
    this.pointers = new Map(); // id -> position, in fractions of the frame
    this.reset();
    for (const frame of frames) this.listen(frame);
  }

  reset() {
    Object.assign(this, { scale: 1, x: 0.5, y: 0.5 }); // x, y: the picture's point in the middle of the frame
    this.draw();
  }

  // Zoom by a factor; the point (x, y) of the frame, in fractions, stays where it is.
  by(factor, x = 0.5, y = 0.5) {
    const scale = Math.min(MOST, Math.max(1, this.scale * factor));
    const fix = 1 / this.scale - 1 / scale;
    this.x += (x - 0.5) * fix;
    this.y += (y - 0.5) * fix;
    this.scale = scale;
    this.draw();
  }

  pan(dx, dy) {
    this.x -= dx / this.scale;
    this.y -= dy / this.scale;
    this.draw();
  }

  draw() {
    const reach = 0.5 / this.scale; // the picture always fills its frame
    this.x = Math.min(1 - reach, Math.max(reach, this.x));
    this.y = Math.min(1 - reach, Math.max(reach, this.y));
    const move = `scale(${this.scale}) translate(${(0.5 - this.x) * 100}%, ${(0.5 - this.y) * 100}%)`;
    for (const frame of this.frames) {
      frame.firstChild.style.transform = move;
      frame.dataset.scale = this.scale.toFixed(2);
      frame.classList.toggle('zoomed', this.scale > 1);
    }
  }

  listen(frame) {
    const at = event => {
      const box = frame.getBoundingClientRect();
      return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
    };
    frame.addEventListener('wheel', event => {
      if (!event.ctrlKey) return; // a plain wheel scrolls the page; a touchpad's pinch comes with ctrl
      event.preventDefault();
      this.by(Math.exp(-event.deltaY / 100), at(event).x, at(event).y);
    }, { passive: false });
    frame.addEventListener('dblclick', event => (this.scale > 1 ? this.reset() : this.by(DOUBLE_TAP, at(event).x, at(event).y)));
    frame.addEventListener('pointerdown', event => {
      frame.setPointerCapture(event.pointerId);
      this.pointers.set(event.pointerId, at(event));
    });
    frame.addEventListener('pointermove', event => this.moved(event.pointerId, at(event)));
    for (const end of ['pointerup', 'pointercancel']) frame.addEventListener(end, event => this.pointers.delete(event.pointerId));
  }

  // One finger moves the picture, two fingers also zoom it.
  moved(id, now) {
    const before = this.pointers.get(id);
    if (!before) return;
    const other = [...this.pointers].find(([key]) => key !== id)?.[1];
    if (other) {
      const distance = point => Math.hypot(point.x - other.x, point.y - other.y) || 1e-3;
      this.by(distance(now) / distance(before), (now.x + other.x) / 2, (now.y + other.y) / 2);
    } else {
      this.pan(now.x - before.x, now.y - before.y);
    }
    this.pointers.set(id, now);
  }
}
