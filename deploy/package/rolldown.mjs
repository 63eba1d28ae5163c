// The programs as packages carry them: built as for npm (/.rolldown.mjs), with the npm packages that they need inside and native
// binaries beside them, as koffi.node and duckdb.node. The JavaScript is the same for every architecture. Run by build.ts.
import { readFileSync } from 'node:fs';
import programs from '../../.rolldown.mjs';

const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
/** What would look for a file that is elsewhere here, by the end of its path. */
const REPLACED = {
  '/src/version.ts': () => `export const VERSION = '${version}';`,
  '/src/netlog-page.ts': (path) => readFileSync(path, 'utf8').replace("'../dist/", "'./"),
  // koffi's own tries a package for each system and hides why none could be loaded. netlogs comes without it, and takes that
  // of tsnetpcap where it is installed, for filter expressions.
  '/koffi/src/koffi/src/static.js': () => `
    import { createRequire } from 'node:module';
    const KOFFI = ['./koffi.node', '../tsnetpcap/koffi.node', '/usr/lib/tsnetpcap/koffi.node'];
    export const loadStatic = () => {
      const require = createRequire(import.meta.url);
      const found = KOFFI.find((path) => {
        try {
          return require.resolve(path);
        } catch {
          return false;
        }
      });
      if (found === undefined) throw new Error('it needs koffi, which the package tsnetpcap has');
      return require(found);
    };`,
  '/@duckdb/node-bindings/duckdb.js': () =>
    "module.exports = require('node:module').createRequire(__filename)('./duckdb.node');",
};

export default programs.map((program) => ({
  ...program,
  external: [],
  // node_modules may be a link: where it leads to would come into comments, and so into the names of the files.
  resolve: { symlinks: false },
  plugins: [
    ...(program.plugins ?? []),
    {
      name: 'replaced',
      load: (id) => Object.entries(REPLACED).find(([end]) => id.endsWith(end))?.[1](id),
    },
  ],
}));
