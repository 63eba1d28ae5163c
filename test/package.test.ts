// What `npm publish` would send: its contents, its exports as publint sees them, and the pcap writer used by a stranger's
// project that has this package and nothing else.
import { execFileSync } from 'node:child_process';
import { readdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildFrame } from '../bench/frames.ts';
import packageJson from '../package.json' with { type: 'json' };
import { Consumer, ROOT } from './consumer.ts';
import { expectReadable, readSavefile } from './savefile.ts';

/** With this package in it, and without its dependencies. */
let consumer: Consumer;

beforeAll(() => {
  consumer = new Consumer([]);
});

afterAll(() => {
  consumer?.remove();
});

test('it holds the programs, the library, the notes, the manuals and what describes it, and nothing else', () => {
  const sources = readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.ts') && !/^(cli\/|netlog)/.test(name), // programs and what deploys them
  );
  const program = readdirSync(join(ROOT, 'dist')).filter((name) =>
    /^(tsnetpcap|netlogs)(-.+)?\.cjs$|^netlogs-page\.html$/.test(name),
  );
  expect(program).toEqual(expect.arrayContaining(['tsnetpcap.cjs', 'netlogs.cjs', 'netlogs-page.html']));
  const built = sources.flatMap((name) => ['js', 'd.ts'].map((ending) => `dist/${name.replace(/ts$/, ending)}`));
  const notes = readdirSync(join(ROOT, 'native-notes')).map((name) => `native-notes/${name}`);
  const described = ['CHANGELOG.md', 'LICENSE', 'README.md', 'man/netlogs.1', 'man/tsnetpcap.8', 'package.json'];
  expect([...consumer.contents].sort()).toEqual(
    [...program.map((name) => `dist/${name}`), ...built, ...notes, ...described].sort(),
  );
});

test('publint finds nothing', async () => {
  const { messages } = await publint({ pkgDir: consumer.installed, pack: false, strict: true, level: 'suggestion' });
  expect(messages.map((message) => formatMessage(message, packageJson))).toEqual([]);
});

test('npm installs it into an empty project: the program, both entry points and their types', () => {
  const project = new Consumer('npm');
  try {
    const program = join(project.directory, 'node_modules/.bin/tsnetpcap');
    expect(execFileSync(program, ['--version'], { encoding: 'utf8' })).toContain(
      `tsnetpcap ${packageJson.version}, Node `,
    );
    const source = `
      import { compileOffline, PcapWriter } from 'tsnetpcap';
      import { PcapWriter as alone } from 'tsnetpcap/pcap-writer';
      console.log(PcapWriter === alone, compileOffline('udp', { linktype: 1 }).length > 0);
    `;
    expect(project.run(source)).toBe('true true\n');
    project.write('typed.ts', `import 'tsnetpcap'; export { PcapWriter } from 'tsnetpcap/pcap-writer';`);
    expect(project.check(['typed.ts'], 'nodenext', [])).toBe('');
  } finally {
    project.remove();
  }
});

/** A namespace of mounts in which the files of libpcap are empty. */
function withoutLibpcap(): string[] {
  const listed = execFileSync('ldconfig', ['-p'], { encoding: 'utf8' }).matchAll(/libpcap\.so\S* .*=> (\S+)/g);
  const files = new Set([...listed].map(([, path = '']) => realpathSync(path)));
  expect(files.size).toBeGreaterThan(0);
  const mounts = [...files].map((path) => `mount --bind /dev/null ${path}`);
  return ['unshare', '--mount', 'sh', '-ec', [...mounts, 'exec "$@"'].join('\n'), 'sh'];
}

test('the pcap writer works without a dependency and without libpcap, and its files are read by all', () => {
  expect(readdirSync(join(consumer.directory, 'node_modules'))).toEqual(['tsnetpcap']);
  const source = `
    import { readFileSync } from 'node:fs';
    import { PcapWriter } from 'tsnetpcap/pcap-writer';
    const frame = Buffer.from('${Buffer.from(buildFrame('udp4', 69, 7)).toString('hex')}', 'hex');
    const writer = PcapWriter.create('made.pcap', { precision: 'nano', snaplen: 64, linktype: 1 });
    for (let n = 0; n < 10_000; n++) {
      if (!writer.writePacket(1_700_000_000 + n, n, frame)) throw new Error('full');
    }
    writer.close();
    const mapped = readFileSync('/proc/self/maps', 'latin1');
    console.log(/koffi|libpcap/.test(mapped) ? 'native code' : 'none');
  `;
  expect(consumer.run(source, withoutLibpcap())).toBe('none\n');
  const made = join(consumer.directory, 'made.pcap');
  expectReadable(made, 10_000);
  expect(readSavefile(made).records.at(-1)).toMatchObject({ sec: 1_700_009_999, fraction: 9999, len: 69 });
});

test('where libpcap is gone, what needs it says so, and savefiles are read all the same', () => {
  const whole = new Consumer(Object.keys(packageJson.dependencies));
  try {
    const source = `
      import { compileOffline, openSavefile, PcapWriter, readPackets } from 'tsnetpcap';
      const writer = PcapWriter.create('made.pcap', { precision: 'micro', snaplen: 64, linktype: 1 });
      writer.writePacket(1, 2, Buffer.from('packet'));
      writer.close();
      for await (const { data } of readPackets(await openSavefile('made.pcap'))) console.log(data.toString('latin1'));
      try {
        compileOffline('udp', { linktype: 1 });
      } catch ({ name, code }) {
        console.log(name, code);
      }
    `;
    expect(whole.run(source, withoutLibpcap())).toBe('112,97,99,107,101,116\nCaptureError ERR_LIBPCAP\n');
  } finally {
    whole.remove();
  }
});

test.each(['tsnetpcap/dist/tsnetpcap.cjs', 'tsnetpcap/dist/savefile/writer.js', 'tsnetpcap/native'])(
  '%s can not be imported',
  (specifier) => {
    expect(() => consumer.run(`import '${specifier}';`)).toThrow('ERR_PACKAGE_PATH_NOT_EXPORTED');
  },
);

test('its version can be read', () => {
  const source = `
    import packageJson from 'tsnetpcap/package.json' with { type: 'json' };
    console.log(packageJson.version);
  `;
  expect(consumer.run(source).trim()).toBe(packageJson.version);
});

test("the writer's types are found, strict, and without those of Node", () => {
  consumer.write(
    'typed.ts',
    `
      import { type FileHeader, MAXIMUM_SNAPLEN, PcapWriter, SyscallError } from 'tsnetpcap/pcap-writer';
      const header: FileHeader = { precision: 'micro', snaplen: MAXIMUM_SNAPLEN, linktype: 1 };
      const writer: PcapWriter = PcapWriter.create('typed.pcap', header);
      export const taken: boolean = writer.writePacket(1, 2, new Uint8Array(3));
      export const code = (error: SyscallError): string => error.code;
      // @ts-expect-error: a precision that does not exist
      PcapWriter.create('typed.pcap', { ...header, precision: 'milli' });
    `,
  );
  expect(consumer.check(['typed.ts'], 'nodenext', [])).toBe('');
  expect(consumer.check(['typed.ts'], 'bundler', [])).toBe('');
});

test("the library's types are found, strict, and without those of Node", () => {
  consumer.write(
    'library.ts',
    `
      import * as tsnetpcap from 'tsnetpcap';
      export const each = ({ data, nsec }: tsnetpcap.Packet): number => data.length + nsec;
      export const capture: Promise<tsnetpcap.OpenCapture> = tsnetpcap.openCapture({ output: { kind: 'packets', each } });
      export const program: tsnetpcap.Program = tsnetpcap.compileFilter({}).program;
      // @ts-expect-error: an output that does not exist
      tsnetpcap.openCapture({ output: { kind: 'pipe' } });
      // @ts-expect-error: a series has a name
      tsnetpcap.planSeries({ keep: 48 });
    `,
  );
  expect(consumer.check(['library.ts'], 'nodenext', [])).toBe('');
  expect(consumer.check(['library.ts'], 'bundler', [])).toBe('');
});
