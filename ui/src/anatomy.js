// Bend, spread and twist of a finger joint, as engine.hand.anatomy defines them; axes and limits come with the mesh.

import { clampTo, fromEuler, log, multiply, rotate, toEuler, transpose } from './rotation.js';

export const BEND = 0, SPREAD = 1, TWIST = 2;
export const FINGERS = ['thumb', 'index', 'middle', 'ring', 'pinky'];
const FIRST_JOINT = { index: 1, middle: 4, pinky: 7, ring: 10, thumb: 13 }; // MANO order

/** The three MANO joints of a finger, base first. */
export const jointsOf = (finger) => [0, 1, 2].map((i) => FIRST_JOINT[finger] + i);
/** The finger of a MANO joint 1..15. */
export const fingerOf = (joint) => FINGERS.find((f) => joint >= FIRST_JOINT[f] && joint < FIRST_JOINT[f] + 3);

export class Anatomy {
  /**
   * @param {{axes: number[][][], limits: number[][][], order: number[]}} table
   *   axes (15, 3, 3): unit axis of bend, spread, twist in the joint's rest frame;
   *   limits (15, 3, 2) rad; order: which of the three turns outermost, next, innermost.
   */
  constructor({ axes, limits, order }) {
    this.limits = limits;
    this.order = order;
    this.frames = axes.map((three) => {
      const [x, y, z] = order.map((k) => three[k]); // columns of the frame
      const frame = [x[0], y[0], z[0], x[1], y[1], z[1], x[2], y[2], z[2]];
      const det = x[0] * (y[1] * z[2] - y[2] * z[1]) - y[0] * (x[1] * z[2] - x[2] * z[1]) + z[0] * (x[1] * y[2] - x[2] * y[1]);
      return { frame, inverse: transpose(frame), sign: Math.sign(det) };
    });
  }

  /** (bend, spread, twist) rad -> rotation matrix of joint 1..15. */
  compose(joint, angles) {
    const { frame, inverse, sign } = this.frames[joint - 1];
    return multiply(frame, multiply(fromEuler(this.order.map((k) => sign * angles[k])), inverse));
  }

  /** Rotation matrix of joint 1..15 -> (bend, spread, twist) rad. */
  decompose(joint, R) {
    const { frame, inverse, sign } = this.frames[joint - 1];
    const euler = toEuler(multiply(inverse, multiply(R, frame)));
    const angles = [0, 0, 0];
    this.order.forEach((k, i) => { angles[k] = sign * euler[i] || 0; });
    return angles;
  }

  clamp(joint, angles) {
    return angles.map((a, k) => clampTo(a, this.limits[joint - 1][k]));
  }

  rotvec(joint, angles) {
    return log(this.compose(joint, angles));
  }

  /** The three axes about which bend, spread and twist turn at these angles, in the parent's rest frame. */
  axesAt(joint, angles) {
    const { frame, sign } = this.frames[joint - 1];
    const [a, b] = this.order.map((k) => sign * angles[k]);
    const first = fromEuler([a, 0, 0]), second = fromEuler([a, b, 0]);
    const unit = [[1, 0, 0], rotate(first, [0, 1, 0]), rotate(second, [0, 0, 1])];
    const axes = [];
    this.order.forEach((k, i) => { axes[k] = rotate(frame, unit[i]); });
    return axes;
  }

  /** Worth a slider and an arc: more than the little that soft tissue gives a hinge. */
  isFree(joint, k) {
    const [low, high] = this.limits[joint - 1][k];
    return high - low > 0.26;
  }
}
