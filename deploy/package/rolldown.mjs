// The program as packages carry it: built as for npm (/.rolldown.mjs), with the npm packages that it needs inside and koffi's
// binary beside it, as koffi.node. The JavaScript is the same for every architecture. Run by build.ts.
import { readFileSync } from 'node:fs';
import programs from '../../.rolldown.mjs';

const [program] = programs;
const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
/** What would look for a file that is elsewhere here, by the end of its path. */
const REPLACED = {
  '/src/version.ts': `export const VERSION = '${version}';`,
  // koffi's own tries a package for each system and hides why none could be loaded.
  '/koffi/src/koffi/src/static.js': `
    import { createRequire } from 'node:module';
    export const loadStatic = () => createRequire(import.meta.url)('./koffi.node');`,
};

export default {
  ...program,
  external: [],
  // node_modules may be a link: where it leads to would come into comments, and so into the names of the files.
  resolve: { symlinks: false },
  plugins: [
    {
      name: 'replaced',
      load: (id) => Object.entries(REPLACED).find(([end]) => id.endsWith(end))?.[1],
    },
  ],
};
