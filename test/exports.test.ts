// The surface of the library: every name that each entry point gives, and whether it is a value or only a type. A name that
// comes or goes is a change for those who use it, and belongs into CHANGELOG.md. What lies behind the names keeps to the rules
// of a library: nothing is printed, no process is ended, and imports point down.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { expect, test } from 'vitest';
import packageJson from '../package.json' with { type: 'json' };
import { ROOT } from './consumer.ts';

const EXPORTS: Readonly<Record<string, { readonly values: readonly string[]; readonly types: readonly string[] }>> = {
  '.': {
    values: [
      'CaptureError',
      'FormatError',
      'MAXIMUM_SNAPLEN',
      'OptionError',
      'PcapError',
      'PcapWriter',
      'Program',
      'SavefileError',
      'SeriesWriter',
      'SyscallError',
      'compileFilter',
      'compileOffline',
      'compilePacketFilter',
      'compileSavefileFilter',
      'openCapture',
      'openSavefile',
      'planSeries',
      'readPackets',
    ],
    types: [
      'CaptureOptions',
      'CaptureRequest',
      'CaptureSession',
      'CompiledFilter',
      'CompressionFormat',
      'Dialect',
      'Direction',
      'Engine',
      'FileHeader',
      'FilterOptions',
      'FreeSpace',
      'Instruction',
      'OpenCapture',
      'OutputOptions',
      'Packet',
      'PacketConsumer',
      'PacketFilter',
      'PacketMetadata',
      'Precision',
      'ReadOptions',
      'RecordInstant',
      'RecordReader',
      'RecordRun',
      'Retention',
      'SavefileKind',
      'SeriesOptions',
      'SeriesOutput',
      'SeriesWriterOptions',
      'SessionStatistics',
      'SnaplenClass',
      'SyncPolicy',
    ],
  },
  './pcap-writer': {
    values: ['CaptureError', 'MAXIMUM_SNAPLEN', 'PcapWriter', 'SyscallError'],
    types: ['FileHeader', 'Precision', 'Reserve'],
  },
};

/** Above those behind it. */
const LAYERS = ['cli', 'capture', 'filter', 'savefile', 'rotation', 'service', 'native'];

test('the entry points are these', () => {
  expect(Object.keys(packageJson.exports).sort()).toEqual([...Object.keys(EXPORTS), './package.json'].sort());
  expect(packageJson.types).toBe(packageJson.exports['.'].types);
});

test.each(['.', './pcap-writer'] as const)('%s gives these names', async (entry) => {
  const conditions = packageJson.exports[entry];
  expect(Object.keys(conditions)).toEqual(['types', 'default']); // in the order in which compilers look
  const values = Object.keys(await import(join(ROOT, conditions.default))).sort();
  expect(values).toEqual(EXPORTS[entry]?.values);
  const declared = exportedNames(readFileSync(join(ROOT, conditions.types), 'utf8'));
  expect(declared.filter(({ type }) => type).map(({ name }) => name)).toEqual(EXPORTS[entry]?.types);
  expect(declared.filter(({ type }) => !type).map(({ name }) => name)).toEqual(values);
});

/** Of declarations that only hand on; sorted. */
function exportedNames(declarations: string): { readonly name: string; readonly type: boolean }[] {
  const statements = [...declarations.matchAll(/^export (type )?\{([^}]*)\} from '[^']*';$/gm)];
  expect(statements.map(([text]) => text).join('\n')).toBe(withoutComments(declarations));
  const names = statements.flatMap(([, allTypes, list = '']) =>
    list.split(',').map((item) => {
      const [, type, name = ''] = /^\s*(type )?(\w+)\s*$/.exec(item) ?? [];
      return { name, type: allTypes !== undefined || type !== undefined };
    }),
  );
  return names.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function withoutComments(text: string): string {
  return text.replace(/^\/\/.*\n/gm, '').trim();
}

const SOURCES: readonly string[] = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => join(ROOT, 'src', name));

/** The sources that one imports, when it is loaded or later. */
function imported(source: string): string[] {
  const text = readFileSync(source, 'utf8');
  const found = [...text.matchAll(/(?:from|import|import\() ?'(\.[^']+)'/g)].map(([, path = '']) => path);
  return found.map((path) => resolve(dirname(source), path)).filter((path) => path.endsWith('.ts'));
}

test('every name has a comment that an editor shows', () => {
  const index = readFileSync(join(ROOT, 'dist/index.d.ts'), 'utf8');
  const statements = [...index.matchAll(/^export (?:type )?\{([^}]*)\} from '(.*)\.ts';$/gm)];
  expect(statements).toHaveLength(index.match(/^export /gm)?.length ?? 0);
  const bare = statements.flatMap(([, list = '', path]) => {
    const declarations = readFileSync(join(ROOT, 'dist', `${path}.d.ts`), 'utf8');
    const names = list.split(',').map((item) => item.replace('type ', '').trim());
    return names.filter((name) => {
      const declared = new RegExp(`(\\*/\\n)?^export (?:declare )?(?:\\w+\\*? )+${name}\\b`, 'm').exec(declarations);
      expect(declared, name).not.toBeNull();
      return declared?.[1] === undefined;
    });
  });
  expect(bare).toEqual([]);
});

test('only the entry points hand on names of other sources', () => {
  const handing = SOURCES.filter((source) =>
    /^export (type )?(\*|\{[^}]*\}) .*\bfrom '/m.test(readFileSync(source, 'utf8')),
  );
  expect(handing.map((source) => relative(ROOT, source)).sort()).toEqual(['src/index.ts', 'src/pcap-writer.ts']);
});

test('imports point down', () => {
  const layer = (source: string): number => LAYERS.indexOf(relative(join(ROOT, 'src'), source).split('/')[0] ?? '');
  const upward = SOURCES.filter((source) => layer(source) !== -1).flatMap((source) =>
    imported(source)
      .filter((target) => layer(target) !== -1 && layer(target) < layer(source))
      .map((target) => `${relative(ROOT, source)} imports ${relative(ROOT, target)}`),
  );
  expect(upward).toEqual([]);
});

test('nothing behind the library prints, ends the process, or listens for signals', () => {
  const reached = new Set([join(ROOT, 'src/index.ts')]);
  for (const source of reached) for (const target of imported(source)) reached.add(target);
  expect(reached.size).toBeGreaterThan(50);
  expect([...reached].filter((source) => !existsSync(source))).toEqual([]);
  const forbidden = /\bconsole\.|process\.(stdout|stderr|exit|exitCode|abort|kill|on|once|off|chdir|title)\b/;
  const found = [...reached].filter(
    (source) => relative(ROOT, source).startsWith('src/cli') || forbidden.test(readFileSync(source, 'utf8')),
  );
  expect(found.map((source) => relative(ROOT, source))).toEqual([]);
});
