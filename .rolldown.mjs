// `npm run build`: the program, src/cli/ and what it needs, as few files of which a start loads some. CommonJS, since Node
// starts that sooner than modules (native-notes/start.md). They lie directly in dist/, as src/version.ts looks for
// package.json one folder up.
export default {
  input: { tsnetpcap: 'src/cli/main.ts' },
  platform: 'node',
  external: ['commander', 'koffi', 'rotating-file-stream', 'cap'],
  output: {
    dir: 'dist',
    format: 'cjs',
    entryFileNames: '[name].cjs',
    chunkFileNames: 'tsnetpcap-[name]-[hash].cjs',
  },
};
