// The free hand in the browser: the same stages as engine.hand (shape, then pose), on arrays written by
// demo.components.hand_editor_mesh. Right hand only: a left one is posed in the mirror.
//
// Skinning runs here rather than in a vertex shader: 778 vertices with all their weights and MANO's pose blend
// shapes take well under a millisecond, and picking, ghosts and the picture all see the very vertices Python has.

import { exp, multiply, rotate } from './rotation.js';

const MAGIC = 'HLHAND1\n';
const TYPES = { f4: Float32Array, u2: Uint16Array, u1: Uint8Array };

/** Read the file: magic, header length (u4), JSON header, arrays at 4-byte steps. */
export function readMesh(buffer) {
  const bytes = new Uint8Array(buffer);
  if (String.fromCharCode(...bytes.subarray(0, 8)) !== MAGIC) throw new Error('not a hand mesh file');
  const size = new DataView(buffer).getUint32(8, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(12, 12 + size)));
  const arrays = {};
  for (const [name, { dtype, offset, length }] of Object.entries(header.arrays)) {
    arrays[name] = new TYPES[dtype](buffer, 12 + size + offset, length);
  }
  return { ...header, arrays };
}

export class HandModel {
  constructor(mesh) {
    this.parents = mesh.parents; // (16,)
    this.tips = mesh.tips; // (5,) vertices: thumb, index, middle, ring, pinky
    this.faces = mesh.arrays.faces; // (F * 3,)
    this.arrays = mesh.arrays;
    this.correctives = mesh.correctives; // per joint 1..15: {first, count} into posed_vertex, posedirs
    this.count = mesh.arrays.v_template.length / 3;
    this.influences = mesh.arrays.skin_index.length / this.count;
    this.numBetas = mesh.arrays.J_shapedirs.length / 48;
    this.partOfVertex = Uint8Array.from({ length: this.count }, (_, v) => {
      const start = v * this.influences;
      const weights = mesh.arrays.skin_weight.subarray(start, start + this.influences);
      return mesh.arrays.skin_index[start + weights.indexOf(Math.max(...weights))];
    });
  }

  /** betas (10,) -> rest vertices (V * 3) and rest joints (16, 3), m. */
  shape(betas) {
    const blend = (base, dirs, out) => {
      for (let i = 0; i < base.length; i++) {
        let value = base[i];
        for (let b = 0; b < this.numBetas; b++) value += dirs[i * this.numBetas + b] * betas[b];
        out[i] = value;
      }
      return out;
    };
    const { v_template, shapedirs, J_template, J_shapedirs } = this.arrays;
    const verts = blend(v_template, shapedirs, new Float64Array(v_template.length));
    const flat = blend(J_template, J_shapedirs, new Float64Array(48));
    const joints = Array.from({ length: 16 }, (_, j) => Array.from(flat.subarray(j * 3, j * 3 + 3)));
    return { verts, joints };
  }

  /** World rotation and position of the 16 joints; `local` are 16 matrices, the wrist's first. */
  kinematics(shaped, local, transl) {
    const rotations = [], positions = [];
    for (let j = 0; j < 16; j++) {
      const parent = this.parents[j];
      if (j === 0) {
        rotations.push(local[0]);
        positions.push(shaped.joints[0].map((v, i) => v + transl[i]));
        continue;
      }
      rotations.push(multiply(rotations[parent], local[j]));
      const bone = shaped.joints[j].map((v, i) => v - shaped.joints[parent][i]);
      positions.push(rotate(rotations[parent], bone).map((v, i) => v + positions[parent][i]));
    }
    return { rotations, positions };
  }

  /** Linear blend skinning with pose blend shapes (Romero et al. 2017, eq. 2-4) into `out` (V * 3), m. */
  skin(shaped, local, { rotations, positions }, out) {
    const rest = this.#correct(shaped.verts, local);
    const transforms = new Float64Array(16 * 12);
    for (let j = 0; j < 16; j++) {
      const origin = rotate(rotations[j], shaped.joints[j]);
      for (let r = 0; r < 3; r++) {
        transforms.set(rotations[j].slice(r * 3, r * 3 + 3), j * 12 + r * 4);
        transforms[j * 12 + r * 4 + 3] = positions[j][r] - origin[r];
      }
    }
    const { skin_index, skin_weight } = this.arrays;
    for (let v = 0; v < this.count; v++) {
      const x = rest[v * 3], y = rest[v * 3 + 1], z = rest[v * 3 + 2];
      let X = 0, Y = 0, Z = 0;
      for (let k = v * this.influences; k < (v + 1) * this.influences; k++) {
        const w = skin_weight[k];
        if (w === 0) continue;
        const t = skin_index[k] * 12;
        X += w * (transforms[t] * x + transforms[t + 1] * y + transforms[t + 2] * z + transforms[t + 3]);
        Y += w * (transforms[t + 4] * x + transforms[t + 5] * y + transforms[t + 6] * z + transforms[t + 7]);
        Z += w * (transforms[t + 8] * x + transforms[t + 9] * y + transforms[t + 10] * z + transforms[t + 11]);
      }
      out[v * 3] = X; out[v * 3 + 1] = Y; out[v * 3 + 2] = Z;
    }
    return out;
  }

  #correct(verts, local) {
    const { posed_vertex, posedirs } = this.arrays;
    const out = Float64Array.from(verts);
    const feature = new Float64Array(9);
    this.correctives.forEach(({ first, count }, i) => {
      const R = local[i + 1];
      let moves = false;
      for (let c = 0; c < 9; c++) {
        feature[c] = R[c] - (c % 4 === 0 ? 1 : 0);
        moves ||= Math.abs(feature[c]) > 1e-12;
      }
      if (!moves) return;
      for (let n = first; n < first + count; n++) {
        const v = posed_vertex[n] * 3;
        for (let axis = 0; axis < 3; axis++) {
          const start = (n * 3 + axis) * 9;
          let offset = 0;
          for (let c = 0; c < 9; c++) offset += posedirs[start + c] * feature[c];
          out[v + axis] += offset;
        }
      }
    });
    return out;
  }
}

/** The 16 local rotations of a pose: wrist's rotation vector and 15 joints' (45,). */
export const localRotations = (orient, pose) =>
  [exp(orient), ...Array.from({ length: 15 }, (_, i) => exp(pose.slice(i * 3, i * 3 + 3)))];
