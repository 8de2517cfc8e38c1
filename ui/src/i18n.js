// Every word of the editor, in English and Chinese.

const en = {
  editor: 'Hand pose editor',
  viewport: 'Hands in the picture. Tab moves between fingers, arrow keys bend and spread.',
  hands: 'Hands', left: 'Left', right: 'Right', both: 'Both',
  view: 'View', picture: 'Picture', orbit: 'Orbit',
  undo: 'Undo', redo: 'Redo', mirror: 'Mirror', match: 'Copy to the other hand', reset: 'Reset to the gesture',
  random: 'Random pose', fit: 'Fit into the frame', ghost: 'Show the gesture as a ghost', save: 'Save the pose', load: 'Load a pose',
  help: 'Keyboard and mouse',
  fingers: 'Part of the hand', wrist: 'Wrist', thumb: 'Thumb', index: 'Index', middle: 'Middle', ring: 'Ring', pinky: 'Little',
  leftHand: 'Left hand', rightHand: 'Right hand',
  joint1: 'Base', joint2: 'Middle joint', joint3: 'Last joint', tip: 'Fingertip',
  short1: 'Base', short2: 'Middle', short3: 'Last',
  bend: 'Bend', spread: 'Spread', twist: 'Twist', curl: 'Curl',
  turn: 'Turn', tilt: 'Tilt', roll: 'Roll', across: 'Left / right', down: 'Up / down', distance: 'Distance', cm: 'cm',
  orientation: 'Orientation', position: 'Place in the picture',
  blend: 'Blend two gestures', from: 'From', to: 'To', current: 'This pose', share: 'Blend',
  shape: 'Hand shape', component: 'Shape', sd: 'SD', previews: 'What the methods are given',
  saved: 'The pose was saved as {file}.', loaded: 'The pose was loaded from {file}.',
  save_json: 'HandLab pose (.json)', save_mano: 'MANO parameters (.npz)', save_openpose: 'OpenPose keypoints (.json)',
  largeFile: 'A pose file has at most 1 MB.',
  noWebGL: 'This browser has no WebGL 2, which the 3D editor needs; pick a gesture from its picture instead.',
  failed: 'The 3D editor could not start ({reason}); reload the page.',
  noServer: 'The server does not answer; try again.',
  loading: 'Loading the hand…',
  atLimit: 'limit',
  keys: [
    ['Drag a fingertip, joint or finger', 'pull it; the finger follows within its limits'],
    ['Drag the palm', 'move the hand in the picture'],
    ['Drag beside the hand', 'turn the hand (Orbit view: walk around it)'],
    ['Drag a coloured arc', 'turn one joint: bend, spread or twist'],
    ['Wheel, pinch', 'nearer or farther'],
    ['Tab, Enter', 'next finger; open its joints'],
    ['↑ ↓', 'straighten, bend (Page keys: by 10°)'],
    ['← →', 'spread; with Shift: twist'],
    ['Wrist: arrows, Q E', 'turn, tilt; roll'],
    ['Wrist: Shift + arrows, + −', 'move; nearer, farther'],
    ['Ctrl Z, Ctrl Shift Z', 'undo, redo'],
  ],
};

const zh = {
  editor: '手势姿态编辑器',
  viewport: '画面中的手。按 Tab 在手指间切换,方向键弯曲和张开手指。',
  hands: '手', left: '左手', right: '右手', both: '双手',
  view: '视图', picture: '画面', orbit: '环绕',
  undo: '撤销', redo: '重做', mirror: '镜像', match: '复制到另一只手', reset: '恢复为手势',
  random: '随机姿态', fit: '适应画框', ghost: '显示手势虚影', save: '保存姿态', load: '载入姿态',
  help: '键盘与鼠标',
  fingers: '部位', wrist: '手腕', thumb: '拇指', index: '食指', middle: '中指', ring: '无名指', pinky: '小指',
  leftHand: '左手', rightHand: '右手',
  joint1: '根关节', joint2: '中关节', joint3: '末关节', tip: '指尖',
  short1: '根部', short2: '中节', short3: '末节',
  bend: '弯曲', spread: '张开', twist: '扭转', curl: '卷曲',
  turn: '转动', tilt: '俯仰', roll: '旋转', across: '左右', down: '上下', distance: '距离', cm: '厘米',
  orientation: '朝向', position: '画面中的位置',
  blend: '混合两个手势', from: '从', to: '到', current: '当前姿态', share: '混合',
  shape: '手的形状', component: '形状', sd: '标准差', previews: '方法得到的条件图',
  saved: '姿态已保存为 {file}。', loaded: '已从 {file} 载入姿态。',
  save_json: 'HandLab 姿态 (.json)', save_mano: 'MANO 参数 (.npz)', save_openpose: 'OpenPose 关键点 (.json)',
  largeFile: '姿态文件最大为 1 MB。',
  noWebGL: '此浏览器没有 3D 编辑器所需的 WebGL 2;请改从图片中选择手势。',
  failed: '3D 编辑器无法启动({reason});请刷新页面。',
  noServer: '服务器没有响应;请重试。',
  loading: '正在载入手部模型……',
  atLimit: '极限',
  keys: [
    ['拖动指尖、关节或手指', '拉动手指,在活动范围内跟随'],
    ['拖动手掌', '在画面中移动手'],
    ['拖动手旁空白处', '转动手(环绕视图:绕手观看)'],
    ['拖动彩色弧线', '单独转动一个关节:弯曲、张开或扭转'],
    ['滚轮、双指捏合', '拉近或推远'],
    ['Tab、Enter', '下一根手指;展开其关节'],
    ['↑ ↓', '伸直、弯曲(翻页键:每次 10°)'],
    ['← →', '张开;加 Shift:扭转'],
    ['手腕:方向键、Q E', '转动、俯仰;旋转'],
    ['手腕:Shift + 方向键、+ −', '移动;拉近、推远'],
    ['Ctrl Z、Ctrl Shift Z', '撤销、重做'],
  ],
};

const tables = { en, zh };

/** The language of the page, of those spoken here. */
export const pageLanguage = () => (document.documentElement.lang.startsWith('zh') ? 'zh' : 'en');

/** A function from a key (and blanks to fill) to words; `lang` says in which language. */
export function translator(lang) {
  const table = tables[lang] ?? en;
  const t = (key, facts = {}) => {
    const text = table[key];
    return typeof text === 'string' ? text.replace(/\{(\w+)\}/g, (_, name) => facts[name]) : text;
  };
  return Object.assign(t, { lang });
}
