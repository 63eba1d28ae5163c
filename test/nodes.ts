// The Nodes that the program is made for: the one of the tests, and those that scripts/test installs beside it.
import { fileURLToPath } from 'node:url';

const OTHERS = ['22', '24'];

/** Of each the major version and the path. */
export const NODES: readonly (readonly [major: string, path: string])[] = [
  [process.versions.node.split('.')[0] ?? '', process.execPath],
  ...OTHERS.map((major): [string, string] => {
    const path = `../node_modules/.cache/node-${major}/node_modules/current/bin/node`;
    return [major, fileURLToPath(new URL(path, import.meta.url))];
  }),
];
