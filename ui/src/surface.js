// A smooth skin over the model's 778 vertices: one step of Loop subdivision (Loop 1987) as a table of stencils,
// applied to the posed vertices in every frame. For the eye only; picking and the picture use the model's vertices.

export class Surface {
  /** @param faces (F * 3) of the model @param count its vertices. The open wrist is closed by a fan about a point. */
  constructor(faces, count) {
    this.rim = border(faces);
    this.modelCount = count;
    const fan = this.rim.flatMap((v, i) => [v, this.rim[(i + 1) % this.rim.length], count]);
    this.#subdivide(Uint16Array.from([...faces, ...fan]), count + 1);
    this.closed = new Float64Array((count + 1) * 3);
  }

  #subdivide(faces, count) {
    const edges = new Map(); // "a,b" -> {index, opposite}
    const neighbours = Array.from({ length: count }, () => new Set());
    const key = (a, b) => (a < b ? a * count + b : b * count + a);
    for (let f = 0; f < faces.length; f += 3) {
      for (let k = 0; k < 3; k++) {
        const a = faces[f + k], b = faces[f + ((k + 1) % 3)], c = faces[f + ((k + 2) % 3)];
        neighbours[a].add(b);
        neighbours[b].add(a);
        const edge = edges.get(key(a, b)) ?? { ends: [a, b], opposite: [] };
        edge.opposite.push(c);
        edges.set(key(a, b), edge);
      }
    }
    const starts = [0], index = [], weight = [];
    const stencil = (pairs) => {
      for (const [i, w] of pairs) { index.push(i); weight.push(w); }
      starts.push(index.length);
    };
    for (let v = 0; v < count; v++) {
      const n = neighbours[v].size;
      const beta = n ? (5 / 8 - (3 / 8 + Math.cos((2 * Math.PI) / n) / 4) ** 2) / n : 0; // Loop's own weights
      stencil([[v, 1 - n * beta], ...[...neighbours[v]].map((u) => [u, beta])]);
    }
    let next = count;
    for (const edge of edges.values()) {
      const [a, b] = edge.ends, [c, d] = edge.opposite;
      stencil([[a, 3 / 8], [b, 3 / 8], [c, 1 / 8], [d, 1 / 8]]);
      edge.index = next++;
    }
    const fine = [];
    for (let f = 0; f < faces.length; f += 3) {
      const [a, b, c] = faces.subarray(f, f + 3);
      const ab = edges.get(key(a, b)).index, bc = edges.get(key(b, c)).index, ca = edges.get(key(c, a)).index;
      fine.push(a, ab, ca, ab, b, bc, ca, bc, c, ab, bc, ca);
    }
    this.starts = Uint32Array.from(starts);
    this.index = Uint16Array.from(index);
    this.weight = Float32Array.from(weight);
    this.faces = Uint16Array.from(fine);
    this.count = next;
  }

  /** Fine vertices (count * 3) from the model's (V * 3). */
  refine(model, out) {
    const verts = this.closed;
    verts.set(model);
    for (let axis = 0; axis < 3; axis++) {
      let sum = 0;
      for (const v of this.rim) sum += model[v * 3 + axis];
      verts[this.modelCount * 3 + axis] = sum / this.rim.length;
    }
    this.#apply(verts, out);
    return out;
  }

  /** Spread numbers of the model's vertices (V) over the fine ones (count). */
  interpolate(values, out) {
    for (let v = 0; v < this.count; v++) {
      let sum = 0;
      for (let k = this.starts[v]; k < this.starts[v + 1]; k++) sum += this.weight[k] * (values[this.index[k]] ?? 0);
      out[v] = sum;
    }
    return out;
  }

  #apply(verts, out) {
    for (let v = 0; v < this.count; v++) {
      let x = 0, y = 0, z = 0;
      for (let k = this.starts[v]; k < this.starts[v + 1]; k++) {
        const i = this.index[k] * 3, w = this.weight[k];
        x += w * verts[i]; y += w * verts[i + 1]; z += w * verts[i + 2];
      }
      out[v * 3] = x; out[v * 3 + 1] = y; out[v * 3 + 2] = z;
    }
  }

  /** Normals by area, not normalised: the shader does that. */
  normals(points, out) {
    out.fill(0);
    const { faces } = this;
    for (let f = 0; f < faces.length; f += 3) {
      const a = faces[f] * 3, b = faces[f + 1] * 3, c = faces[f + 2] * 3;
      const ux = points[b] - points[a], uy = points[b + 1] - points[a + 1], uz = points[b + 2] - points[a + 2];
      const vx = points[c] - points[a], vy = points[c + 1] - points[a + 1], vz = points[c + 2] - points[a + 2];
      const x = uy * vz - uz * vy, y = uz * vx - ux * vz, z = ux * vy - uy * vx;
      for (const i of [a, b, c]) { out[i] += x; out[i + 1] += y; out[i + 2] += z; }
    }
    return out;
  }
}

/** The vertices of the mesh's one open border, in the order of its edges: each edge of a single face, reversed. */
export function border(faces) {
  const next = new Map();
  const directed = new Set();
  const edges = [];
  for (let f = 0; f < faces.length; f += 3) {
    for (let k = 0; k < 3; k++) {
      const a = faces[f + k], b = faces[f + ((k + 1) % 3)];
      edges.push([a, b]);
      directed.add(`${a},${b}`);
    }
  }
  for (const [a, b] of edges) if (!directed.has(`${b},${a}`)) next.set(b, a);
  const loop = [];
  for (let at = next.keys().next().value; at !== undefined && loop.length < next.size; at = next.get(at)) loop.push(at);
  return loop;
}

/** The nearest triangle of the model under a ray, or null: {face, distance}. Moeller and Trumbore 1997. */
export function intersect(verts, faces, { origin, direction: d }) {
  let best = null;
  for (let f = 0; f < faces.length; f += 3) {
    const a = faces[f] * 3, b = faces[f + 1] * 3, c = faces[f + 2] * 3;
    const ax = verts[a], ay = verts[a + 1], az = verts[a + 2];
    const e1x = verts[b] - ax, e1y = verts[b + 1] - ay, e1z = verts[b + 2] - az;
    const e2x = verts[c] - ax, e2y = verts[c + 1] - ay, e2z = verts[c + 2] - az;
    const px = d[1] * e2z - d[2] * e2y, py = d[2] * e2x - d[0] * e2z, pz = d[0] * e2y - d[1] * e2x;
    const det = e1x * px + e1y * py + e1z * pz;
    if (Math.abs(det) < 1e-14) continue;
    const tx = origin[0] - ax, ty = origin[1] - ay, tz = origin[2] - az;
    const u = (tx * px + ty * py + tz * pz) / det;
    if (u < 0 || u > 1) continue;
    const qx = ty * e1z - tz * e1y, qy = tz * e1x - tx * e1z, qz = tx * e1y - ty * e1x;
    const v = (d[0] * qx + d[1] * qy + d[2] * qz) / det;
    if (v < 0 || u + v > 1) continue;
    const distance = (e2x * qx + e2y * qy + e2z * qz) / det;
    if (distance > 1e-4 && (!best || distance < best.distance)) best = { face: f / 3, distance };
  }
  return best;
}
