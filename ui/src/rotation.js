// Rotations as row-major 3x3 arrays of nine numbers, and rotation vectors (axis-angle, rad). No dependency.

export const IDENTITY = Object.freeze([1, 0, 0, 0, 1, 0, 0, 0, 1]);

export const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
export const add = (a, b) => [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
export const sub = (a, b) => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
export const scale = (a, s) => [a[0] * s, a[1] * s, a[2] * s];
export const length = (a) => Math.hypot(a[0], a[1], a[2]);
export const normalize = (a) => scale(a, 1 / (length(a) || 1));
export const cross = (a, b) => [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
export const clampTo = (x, [low, high]) => Math.min(Math.max(x, low), high);

export const multiply = (A, B) => {
  const out = new Array(9);
  for (let r = 0; r < 9; r += 3) {
    for (let c = 0; c < 3; c++) out[r + c] = A[r] * B[c] + A[r + 1] * B[c + 3] + A[r + 2] * B[c + 6];
  }
  return out;
};
export const transpose = (A) => [A[0], A[3], A[6], A[1], A[4], A[7], A[2], A[5], A[8]];
export const rotate = (A, v) => [
  A[0] * v[0] + A[1] * v[1] + A[2] * v[2],
  A[3] * v[0] + A[4] * v[1] + A[5] * v[2],
  A[6] * v[0] + A[7] * v[1] + A[8] * v[2],
];

/** Rodrigues' formula: rotation vector -> matrix. */
export function exp(v) {
  const angle = length(v);
  if (angle < 1e-12) return [...IDENTITY];
  const [x, y, z] = scale(v, 1 / angle);
  const s = Math.sin(angle), c = Math.cos(angle), t = 1 - c;
  return [
    t * x * x + c, t * x * y - s * z, t * x * z + s * y,
    t * x * y + s * z, t * y * y + c, t * y * z - s * x,
    t * x * z - s * y, t * y * z + s * x, t * z * z + c,
  ];
}

/** Matrix -> rotation vector with an angle in [0, pi], through the quaternion, which is stable near pi. */
export function log(R) {
  const q = [1 + R[0] - R[4] - R[8], 1 - R[0] + R[4] - R[8], 1 - R[0] - R[4] + R[8], 1 + R[0] + R[4] + R[8]];
  const largest = q.indexOf(Math.max(...q));
  const rows = [
    [q[0], R[1] + R[3], R[2] + R[6], R[7] - R[5]],
    [R[1] + R[3], q[1], R[5] + R[7], R[2] - R[6]],
    [R[2] + R[6], R[5] + R[7], q[2], R[3] - R[1]],
    [R[7] - R[5], R[2] - R[6], R[3] - R[1], q[3]],
  ];
  let [x, y, z, w] = rows[largest];
  const norm = Math.hypot(x, y, z, w) * (w < 0 ? -1 : 1);
  x /= norm; y /= norm; z /= norm; w /= norm;
  const s = Math.hypot(x, y, z);
  const k = s < 1e-9 ? 2 : (2 * Math.atan2(s, w)) / s;
  return [x * k, y * k, z * k];
}

/** The rotation vector a share t of the way from a to b, along the shortest arc. */
export function slerp(a, b, t) {
  const A = exp(a);
  return log(multiply(A, exp(scale(log(multiply(transpose(A), exp(b))), t))));
}

const spin = [
  (c, s) => [1, 0, 0, 0, c, -s, 0, s, c],
  (c, s) => [c, 0, s, 0, 1, 0, -s, 0, c],
  (c, s) => [c, -s, 0, s, c, 0, 0, 0, 1],
];
/** Rotation about the x (0), y (1) or z (2) axis. */
export const about = (axis, angle) => spin[axis](Math.cos(angle), Math.sin(angle));

/** Rx(a) Ry(b) Rz(c) from its three angles. */
export const fromEuler = ([a, b, c]) => multiply(about(0, a), multiply(about(1, b), about(2, c)));

/** The angles (a, b, c) of M = Rx(a) Ry(b) Rz(c), b in [-pi/2, pi/2]. */
export function toEuler(M) {
  const b = Math.asin(Math.min(1, Math.max(-1, M[2])));
  if (Math.abs(M[2]) > 1 - 1e-9) return [Math.atan2(M[7], M[4]), b, 0];
  return [Math.atan2(-M[5], M[8]), b, Math.atan2(-M[1], M[0])];
}

/** Mirror a rotation vector (an axial vector) through the plane x = 0. */
export const mirrorRotation = (v) => [v[0], -v[1], -v[2]];

/** Ry(turn) Rx(tilt) Rz(roll), and back: tilt in [-pi/2, pi/2]. */
export const fromTurn = ([turn, tilt, roll]) => multiply(about(1, turn), multiply(about(0, tilt), about(2, roll)));
export function toTurn(M) {
  const tilt = Math.asin(Math.min(1, Math.max(-1, -M[5])));
  if (Math.abs(M[5]) > 1 - 1e-9) return [Math.atan2(-M[6], M[0]), tilt, 0];
  return [Math.atan2(M[2], M[8]), tilt, Math.atan2(M[3], M[4])];
}
