import page from './src/netlog/report/page/rolldown.mjs';

// `npm run build`: the programs, each with what it needs, as few files of which a start loads some. CommonJS, since Node
// starts that sooner than modules (native-notes/start.md). They lie directly in dist/, as src/version.ts looks for
// package.json one folder up. Each has chunks of its own: what the one needs, the other never loads.
function program(name, input) {
  return {
    input: { [name]: input },
    platform: 'node',
    external: ['commander', 'koffi', 'rotating-file-stream', 'cap', '@duckdb/node-api', '@duckdb/node-bindings'],
    output: {
      dir: 'dist',
      format: 'cjs',
      entryFileNames: '[name].cjs',
      chunkFileNames: `${name}-[name]-[hash].cjs`,
    },
  };
}

export default [program('tsnetpcap', 'src/cli/main.ts'), program('netlogs', 'src/cli/netlogs.ts'), page];
