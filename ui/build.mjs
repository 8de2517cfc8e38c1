// Bundles src/ into demo/static/hand_editor.js. `node build.mjs --watch` while developing.
// The first line names the sources' hash, so that a test can tell a bundle that was not built again.

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import esbuild from 'esbuild';

const hash = createHash('sha256');
for (const name of readdirSync('src').sort()) hash.update(name).update(readFileSync(`src/${name}`));

const options = {
  entryPoints: ['src/index.js'],
  outfile: '../demo/static/hand_editor.js',
  bundle: true,
  minify: true,
  format: 'esm',
  target: 'es2021',
  loader: { '.css': 'text' },
  legalComments: 'none',
  logLevel: 'info',
  banner: { js: `// HandLab hand editor, Apache-2.0; contains three.js (MIT, three.LICENSE.txt). Sources ${hash.digest('hex')}` },
};

if (process.argv.includes('--watch')) await (await esbuild.context({ ...options, sourcemap: 'inline' })).watch();
else await esbuild.build(options);
