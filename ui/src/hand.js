// One hand of the composition: MANO's parameters, kept in right-hand space. A left hand is posed as the right hand
// in the mirror and reflected (x -> -x) where it meets the world; the world is the picture camera's frame
// (OpenCV axes: +x right, +y down, +z forward, m).

import { jointsOf } from './anatomy.js';
import { localRotations } from './model.js';
import { add, exp, fromTurn, log, mirrorRotation, multiply, scale, slerp, sub, toTurn, transpose } from './rotation.js';

// MANO's rest hand has its fingers along -x and its back along +y: this turns the palm to the camera, fingers up.
const UPRIGHT = Object.freeze([0, 0, 1, 1, 0, 0, 0, 1, 0]);

const mirrorPoint = ([x, y, z]) => [-x, y, z];
const mirrorPose = (pose) => pose.map((v, i) => (i % 3 === 0 ? v : -v));
const plain = (values) => Array.from(values, (v) => Math.round(v * 1e9) / 1e9 + 0);

export class Hand {
  /** @param rig {model, anatomy} @param data a HandPose in JSON, in its own side's space */
  constructor(rig, data) {
    this.rig = rig;
    this.load(data);
  }

  load({ side, global_orient, hand_pose, betas, transl }) {
    const right = side !== 'left';
    this.side = right ? 'right' : 'left';
    this.orient = right ? [...global_orient] : mirrorRotation(global_orient);
    this.pose = right ? [...hand_pose] : mirrorPose(hand_pose);
    this.transl = right ? [...transl] : mirrorPoint(transl);
    this.betas = [...betas];
    this.#reshape();
  }

  toJSON() {
    const right = this.side === 'right';
    return {
      type: 'HandPose',
      side: this.side,
      global_orient: plain(right ? this.orient : mirrorRotation(this.orient)),
      hand_pose: plain(right ? this.pose : mirrorPose(this.pose)),
      betas: plain(this.betas),
      transl: plain(right ? this.transl : mirrorPoint(this.transl)),
    };
  }

  clone() {
    return new Hand(this.rig, this.toJSON());
  }

  #reshape() {
    this.shaped = this.rig.model.shape(this.betas);
    this.update();
  }

  /** Joint frames after a change of the parameters. */
  update() {
    this.local = localRotations(this.orient, this.pose);
    this.frames = this.rig.model.kinematics(this.shaped, this.local, this.transl);
  }

  setBeta(index, value) {
    this.betas[index] = value;
    this.#reshape();
  }

  /** Vertices, right-hand space, into `out` (V * 3). */
  skin(out) {
    return this.rig.model.skin(this.shaped, this.local, this.frames, out);
  }

  /** A point or direction between right-hand space and the world (its own inverse). */
  cross(point) {
    return this.side === 'right' ? point : mirrorPoint(point);
  }

  // --- fingers -------------------------------------------------------------------------------------

  /** (bend, spread, twist) rad of joint 1..15. */
  angles(joint) {
    return this.rig.anatomy.decompose(joint, this.local[joint]);
  }

  setAngles(joint, angles) {
    const { anatomy } = this.rig;
    this.pose.splice((joint - 1) * 3, 3, ...anatomy.rotvec(joint, anatomy.clamp(joint, angles)));
    this.update();
  }

  /** @param pose (45,) in this hand's own side's space, as Python has it */
  setPose(pose) {
    this.pose = this.side === 'right' ? [...pose] : mirrorPose(pose);
    this.update();
  }

  /** How far a finger is curled, 0 straight to 1 closed: its joints' share of their range from straight. */
  curl(finger) {
    const shares = jointsOf(finger).map((joint) => {
      const [low, high] = this.rig.anatomy.limits[joint - 1][0];
      const straight = Math.max(low, 0);
      return Math.min(1, Math.max(0, (this.angles(joint)[0] - straight) / (high - straight)));
    });
    return shares.reduce((a, b) => a + b) / 3;
  }

  setCurl(finger, share) {
    for (const joint of jointsOf(finger)) {
      const [low, high] = this.rig.anatomy.limits[joint - 1][0];
      const straight = Math.max(low, 0);
      const [, spread, twist] = this.angles(joint);
      this.setAngles(joint, [straight + share * (high - straight), spread, twist]);
    }
  }

  // --- the wrist -----------------------------------------------------------------------------------

  /** The middle of the palm, right-hand space: where a hand turns about and is measured. */
  palm() {
    const { positions } = this.frames;
    return scale(add(add(positions[0], positions[0]), add(positions[1], add(positions[4], positions[7]))), 1 / 5);
  }

  /** [turn, tilt, roll] rad away from the upright palm: about the vertical, the horizontal, the line of sight. */
  turn() {
    const [turn, tilt, roll] = toTurn(multiply(this.local[0], transpose(UPRIGHT)));
    return [this.#sign * turn, tilt, this.#sign * roll];
  }

  setTurn([turn, tilt, roll]) {
    this.setOrient(log(multiply(fromTurn([this.#sign * turn, tilt, this.#sign * roll]), UPRIGHT)));
  }

  get #sign() {
    return this.side === 'right' ? 1 : -1;
  }

  /** Turn the wrist; the palm stays where it is. */
  setOrient(orient) {
    const before = this.palm();
    this.orient = orient;
    this.update();
    this.moveBy(sub(before, this.palm()));
  }

  /** Turn by a rotation about axes of right-hand space. */
  rotateBy(R) {
    this.setOrient(log(multiply(R, exp(this.orient))));
  }

  moveBy(offset) {
    this.transl = add(this.transl, offset);
    this.update();
  }

  /** Nearer or farther along the line of sight through the palm: its place in the picture stays, its size changes. */
  setDepth(z) {
    const palm = this.palm();
    this.moveBy(sub(scale(palm, z / palm[2]), palm));
  }

  // --- sides ---------------------------------------------------------------------------------------

  /** Become the other hand where it is: the mirror image, its palm in the same place. */
  swapSide() {
    const palm = this.cross(this.palm());
    this.side = this.side === 'right' ? 'left' : 'right';
    this.moveBy(sub(this.cross(palm), this.palm()));
  }

  /** The mirror image across the picture's vertical middle. */
  mirror() {
    this.side = this.side === 'right' ? 'left' : 'right';
  }

  /** Take another hand's shape and pose, mirrored where the sides differ; the palm stays. */
  copy(other) {
    this.betas = [...other.betas];
    this.pose = [...other.pose];
    const palm = this.palm();
    this.orient = [...other.orient];
    this.#reshape();
    this.moveBy(sub(palm, this.palm()));
  }

  /** Between two poses of fingers and wrist: `from` at 0, `to` at 1; the palm stays. */
  blend(from, to, t) {
    const pose = [];
    for (let i = 0; i < 45; i += 3) pose.push(...slerp(from.pose.slice(i, i + 3), to.pose.slice(i, i + 3), t));
    this.pose = pose;
    this.setOrient(slerp(from.orient, to.orient, t));
  }
}

/** World rays and points are met in right-hand space. */
export const inHandSpace = (hand, { origin, direction }) => ({ origin: hand.cross(origin), direction: hand.cross(direction) });
