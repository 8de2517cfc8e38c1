// Pulling a point of a finger: damped least squares in bend, spread and twist, within the limits. The point is asked
// to lie under the pointer; how deep is left to the hand, so that a finger seen from the front can be curled by
// pulling its tip down. Cost, minimised by Gauss-Newton steps, with d = angles - angles when the pull began:
//   |offset of the point from the pointer's ray|^2 + (weak: its depth)^2 + sum STIFFNESS d^2
//   + CURL (d_middle - d_base)^2 + TENDON (d_last - 2/3 d_middle)^2      fingers curl as a whole
//   + BACK min(0, bend of the base)^2                                    rather forwards than backwards
// Because d counts from the beginning, going there and back again ends where it began.

import { BEND, jointsOf, fingerOf } from './anatomy.js';
import { add, clampTo, cross, dot, multiply, rotate, scale, sub, transpose } from './rotation.js';

const STIFFNESS = [[1.5e-5, 6e-5, 5e-4], [1.5e-5, 3e-4, 8e-4], [1.5e-5, 3e-4, 8e-4]]; // m^2/rad^2, by joint and angle
const CURL = 6e-5, TENDON = 2e-4, TENDON_SHARE = 2 / 3, BACK = 3e-4; // m^2/rad^2
const DEPTH = 0.004; // share of an error in depth
const DAMPING = 2e-5; // m^2/rad^2
const STEPS = 10;
const NEAR = 0.004; // m; a worse fit than this tries other starts
const CURLS = [0.25, 0.6, 0.9];
const BETTER = 0.8; // of the cost: a start that is hardly better is not worth a jump

/** A point's place in a joint's frame. */
export const offsetOf = ({ rotations, positions }, joint, point) => rotate(transpose(rotations[joint]), sub(point, positions[joint]));

/** Solve the symmetric positive definite A x = b (n * n row-major) by Cholesky; A is overwritten. */
function solve(A, b, n) {
  for (let j = 0; j < n; j++) {
    for (let i = j; i < n; i++) {
      let sum = A[i * n + j];
      for (let k = 0; k < j; k++) sum -= A[i * n + k] * A[j * n + k];
      A[i * n + j] = i === j ? Math.sqrt(Math.max(sum, 1e-18)) : sum / A[j * n + j];
    }
  }
  const x = Float64Array.from(b);
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < i; k++) x[i] -= A[i * n + k] * x[k];
    x[i] /= A[i * n + i];
  }
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) x[i] -= A[k * n + i] * x[k];
    x[i] /= A[i * n + i];
  }
  return x;
}

/** A chain of joints with angles of its own, so that trying does not touch the hand. */
class Chain {
  constructor(hand, joint, offset) {
    this.joints = jointsOf(fingerOf(joint)).filter((j) => j <= joint);
    this.anatomy = hand.rig.anatomy;
    this.offset = offset;
    const base = this.joints[0];
    const parent = hand.rig.model.parents[base];
    this.root = hand.frames.rotations[parent];
    this.origin = hand.frames.positions[base];
    this.bones = this.joints.map((j) => sub(hand.shaped.joints[j], hand.shaped.joints[hand.rig.model.parents[j]]));
    this.limits = this.joints.flatMap((j) => this.anatomy.limits[j - 1]);
  }

  /** The point and, for each angle, how it moves (m/rad). */
  evaluate(q) {
    let R = this.root, at = this.origin;
    const axes = [], origins = [];
    this.joints.forEach((joint, i) => {
      if (i > 0) at = add(at, rotate(R, this.bones[i]));
      const angles = q.slice(i * 3, i * 3 + 3);
      for (const axis of this.anatomy.axesAt(joint, angles)) {
        axes.push(rotate(R, axis));
        origins.push(at);
      }
      R = multiply(R, this.anatomy.compose(joint, angles));
    });
    const point = add(at, rotate(R, this.offset));
    return { point, jacobian: axes.map((axis, k) => cross(axis, sub(point, origins[k]))) };
  }
}

/** The rows of the pointer's constraint at a point: two across the ray, a weak one along it to the start's depth. */
function residual(point, { origin, direction }, u, v, depth) {
  const away = sub(origin, point);
  return [dot(u, away), dot(v, away), DEPTH * (depth + dot(direction, away))];
}

function descend(chain, start, reference, ray) {
  const { direction } = ray;
  const u = unitAcross(direction), v = cross(direction, u);
  const rows = [u, v, scale(direction, DEPTH)];
  const n = start.length;
  const stiffness = chain.joints.flatMap((_, i) => STIFFNESS[i]);
  let q = start.map((a, k) => clampTo(a, chain.limits[k]));
  for (let step = 0; step < STEPS; step++) {
    const { point, jacobian } = chain.evaluate(q);
    const r = residual(point, ray, u, v, ray.depth);
    const A = new Float64Array(n * n), b = new Float64Array(n);
    const J = jacobian.map((column) => rows.map((row) => dot(row, column)));
    for (let i = 0; i < n; i++) {
      b[i] = J[i][0] * r[0] + J[i][1] * r[1] + J[i][2] * r[2] - stiffness[i] * (q[i] - reference[i]);
      for (let j = 0; j < n; j++) A[i * n + j] = J[i][0] * J[j][0] + J[i][1] * J[j][1] + J[i][2] * J[j][2];
      A[i * n + i] += stiffness[i] + DAMPING;
    }
    const couple = (from, to, share, weight) => { // weight (d_to - share d_from)^2
      const gap = q[to] - reference[to] - share * (q[from] - reference[from]);
      b[to] -= weight * gap;
      b[from] += share * weight * gap;
      A[to * n + to] += weight;
      A[from * n + from] += share * share * weight;
      A[from * n + to] -= share * weight;
      A[to * n + from] -= share * weight;
    };
    if (n > 3) couple(BEND, 3 + BEND, 1, CURL);
    if (n > 6) couple(3 + BEND, 6 + BEND, TENDON_SHARE, TENDON);
    if (q[BEND] < 0) {
      A[BEND * n + BEND] += BACK;
      b[BEND] -= BACK * q[BEND];
    }
    // an angle at its limit that would leave it stands still
    for (let i = 0; i < n; i++) {
      const [low, high] = chain.limits[i];
      if ((q[i] <= low && b[i] < 0) || (q[i] >= high && b[i] > 0) || high - low < 1e-9) {
        for (let j = 0; j < n; j++) A[i * n + j] = A[j * n + i] = 0;
        A[i * n + i] = 1;
        b[i] = 0;
      }
    }
    const dq = solve(A, b, n);
    const longest = Math.max(...dq.map(Math.abs));
    const shorten = longest > 0.5 ? 0.5 / longest : 1;
    q = q.map((a, k) => clampTo(a + shorten * dq[k], chain.limits[k]));
    if (longest < 1e-5) break;
  }
  const [ru, rv] = residual(chain.evaluate(q).point, ray, u, v, ray.depth);
  const strain = q.reduce((sum, a, k) => sum + stiffness[k] * (a - reference[k]) ** 2, 0) + BACK * Math.min(0, q[BEND]) ** 2;
  return { q, miss: Math.hypot(ru, rv), cost: ru * ru + rv * rv + strain };
}

function unitAcross(direction) {
  const least = direction.map(Math.abs);
  const axis = [0, 0, 0];
  axis[least.indexOf(Math.min(...least))] = 1;
  const u = cross(direction, axis);
  return scale(u, 1 / Math.hypot(...u));
}

/** The angles of the joints that a pull at `joint` turns, base first. */
const anglesOf = (hand, chain) => chain.joints.flatMap((j) => hand.angles(j));

/**
 * Take hold of the point `offset` of `joint` (right-hand space).
 * @returns {(ray: {origin, direction, depth}) => void} which pulls it under a ray; `direction` is unit, `depth` the
 *   point's distance along the ray when the pull began
 */
export function grasp(hand, joint, offset) {
  const chain = new Chain(hand, joint, offset);
  const reference = anglesOf(hand, chain);
  return (ray) => {
    const now = anglesOf(hand, chain);
    let best = descend(chain, now, reference, ray);
    if (best.miss > NEAR || best.q[BEND] < 0) {
      for (const curl of CURLS) {
        const start = now.map((a, k) => (k % 3 === BEND ? curl * chain.limits[k][1] : a));
        const other = descend(chain, start, reference, ray);
        if (other.cost < best.cost * BETTER) best = other;
      }
    }
    chain.joints.forEach((j, i) => hand.setAngles(j, best.q.slice(i * 3, i * 3 + 3)));
  };
}
