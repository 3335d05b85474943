/**
 * Builds the viewer into `pipeline/_viewer`: the page, its parts (one for each kind of panel), Grafana's icons, the font, and the
 * licences of everything that is in it. Parts have their hash in their name.
 */

import { cp, mkdir, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = dirname(fileURLToPath(import.meta.url));
const modules = join(here, 'node_modules');
const target = resolve(here, '../pipeline/_viewer');
const fresh = `${target}.new`;
const FONTS = { 'inter-latin-400-normal': 'Inter-Regular', 'inter-latin-500-normal': 'Inter-Medium' };

/** Editors and maps, which `@grafana/ui` names and no board draws. */
const NOTHING = /^(monaco-editor|@monaco-editor\/react|ol|@codemirror\/[^/]+|@lezer\/[^/]+|@uiw\/react-codemirror)(\/|$)/;
const nothing = {
  name: 'nothing',
  setup(of) {
    of.onResolve({ filter: NOTHING }, ({ path }) => ({ path, namespace: 'nothing' }));
    of.onLoad({ filter: /.*/, namespace: 'nothing' }, () => ({ contents: 'module.exports = {};', loader: 'js' }));
  },
};

await rm(fresh, { recursive: true, force: true });
await mkdir(fresh, { recursive: true });

const { metafile } = await build({
  entryPoints: { viewer: join(here, 'src/main.tsx') },
  bundle: true,
  splitting: true,
  format: 'esm',
  target: 'es2022',
  minify: true,
  jsx: 'automatic',
  define: { 'process.env.NODE_ENV': '"production"', global: 'globalThis' },
  loader: { '.svg': 'dataurl', '.ttf': 'dataurl' },
  entryNames: '[name]-[hash]',
  chunkNames: '[name]-[hash]',
  outdir: join(fresh, 'assets'),
  plugins: [nothing],
  metafile: true,
  logLevel: 'warning',
});

const outputs = Object.entries(metafile.outputs);
const [entry, { cssBundle, imports }] = outputs.find(([, output]) => output.entryPoint?.endsWith('main.tsx'));
const first = imports.filter((one) => one.kind === 'import-statement').map((one) => basename(one.path));
const tags = [
  ...(cssBundle ? [`<link rel="stylesheet" href="/assets/${basename(cssBundle)}" />`] : []),
  ...first.map((name) => `<link rel="modulepreload" href="/assets/${name}" />`),
  `<script type="module" src="/assets/${basename(entry)}"></script>`,
];
const page = await readFile(join(here, 'index.html'), 'utf8');
await writeFile(join(fresh, 'index.html'), page.replace('<!-- scripts -->', tags.join('\n    ')));

await cp(join(modules, '@grafana/ui/dist/public/img'), join(fresh, 'public/build/img'), { recursive: true });
await cp(join(here, 'icons'), join(fresh, 'public/build/img/icons/unicons'), { recursive: true });
await mkdir(join(fresh, 'public/fonts/inter'), { recursive: true });
for (const [from, to] of Object.entries(FONTS)) {
  await cp(join(modules, `@fontsource/inter/files/${from}.woff2`), join(fresh, `public/fonts/inter/${to}.woff2`));
}
await writeFile(join(fresh, 'LICENSES.txt'), await licences(Object.keys(metafile.inputs)));

await rm(target, { recursive: true, force: true });
await rename(fresh, target);

const size = (paths) => Math.round(paths.reduce((sum, [, output]) => sum + output.bytes, 0) / 1000);
const firstBytes = outputs.filter(([path]) => path === entry || first.includes(basename(path)));
console.log(`built ${target}: ${size(outputs)} kB of script, ${size(firstBytes)} kB of them for the first page`);

/** The licence of every package of which anything is bundled, in its own words. */
async function licences(inputs) {
  const packages = new Set(['@grafana/ui', '@fontsource/inter']);
  for (const input of inputs) {
    const found = /^.*node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(input);
    if (found) {
      packages.add(resolve(here, input.slice(0, found[0].length - 1)));
    }
  }
  const told = new Map();
  for (const one of packages) {
    const folder = one.startsWith('/') ? one : join(modules, one);
    const { name, version, license } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'));
    const texts = (await readdir(folder)).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file));
    const files = await Promise.all(texts.map(async (file) => [(await stat(join(folder, file))).isFile(), join(folder, file)]));
    const words = await Promise.all(files.filter(([is]) => is).map(([, path]) => readFile(path, 'utf8')));
    told.set(`${name} ${version}`, `${name} ${version}: ${license}\n\n${words.join('\n').trim() || '(the package holds no text)'}\n`);
  }
  const line = `\n${'-'.repeat(80)}\n\n`;
  return [...told.keys()].sort().map((key) => told.get(key)).join(line);
}
