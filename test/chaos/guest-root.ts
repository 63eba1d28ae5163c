// Builds what the virtual machine boots: Debian's kernel as scripts/chaos unpacked it, and an initramfs of busybox, the
// kernel's modules for a virtio disk and a veth pair, Node, the built program with the packages it depends on, libpcap, and
// guest.ts. Everything that runs in the guest comes from this machine, at the same path, so it finds its libraries.
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const HERE = dirname(fileURLToPath(import.meta.url));
/** What scripts/chaos has unpacked there. */
const DEBIAN = join(ROOT, 'node_modules/.cache/chaos/debian');
const MODULES = ['virtio_pci', 'virtio_blk', 'ext4', 'veth', 'af_packet'];
const DIRECTORIES = ['bin', 'modules', 'proc', 'sys', 'dev', 'data', 'tmp', 'guest'];

export interface GuestRoot {
  /** Paths of kernel and initramfs. */
  readonly kernel: string;
  readonly initramfs: string;
}

/** In `home`; the program must be built. */
export function buildGuestRoot(home: string): GuestRoot {
  const root = join(home, 'root');
  for (const directory of DIRECTORIES) mkdirSync(join(root, directory), { recursive: true });
  copy(join(DEBIAN, 'bin/busybox'), join(root, 'bin/busybox'));
  copy(join(HERE, 'init'), join(root, 'init'));
  chmodSync(join(root, 'init'), 0o755);
  copy(process.execPath, join(root, 'bin/node'));
  const libpcap = execFileSync('ldconfig', ['-p'], { encoding: 'utf8' }).match(/libpcap\.so\.0\.8 .*=> (\S+)/)?.[1];
  if (libpcap === undefined) throw new Error('ldconfig knows no libpcap.so.0.8');
  for (const library of new Set([libpcap, ...libraries(libpcap), ...libraries(process.execPath)]))
    copy(library, join(root, library));
  copyProgram(join(root, 'guest'));
  copyModules(join(root, 'modules'));
  const initramfs = join(home, 'initramfs');
  // cpio reads names, and writes the archive that the kernel unpacks (newc).
  const archive = `find . -mindepth 1 | LC_ALL=C sort | cpio --quiet -o -H newc -R 0:0 > "$0"`;
  execFileSync('sh', ['-ec', archive, initramfs], { cwd: root });
  return { kernel: join(DEBIAN, 'boot', `vmlinuz-${release()}`), initramfs };
}

function copy(from: string, to: string): void {
  cpSync(from, to, { recursive: true, dereference: true });
}

/** What the dynamic loader takes for a program or library, itself included. */
function libraries(path: string): string[] {
  const printed = execFileSync('ldd', [path], { encoding: 'utf8' });
  return [...printed.matchAll(/^\s+(?:\S+ => )?(\/\S+) \(/gm)].map(([, library = '']) => library);
}

/** `npm pack` would do the same, and take its time. */
function copyProgram(to: string): void {
  for (const name of ['dist', 'package.json']) copy(join(ROOT, name), join(to, name));
  const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  for (const name of [...Object.keys(dependencies), '@koromix/koffi-linux-x64'])
    copy(join(ROOT, 'node_modules', name), join(to, 'node_modules', name));
  const options = ['--ignoreConfig', '--module', 'nodenext', '--target', 'es2022', '--types', 'node'];
  const compile = [...options, '--rewriteRelativeImportExtensions', '--skipLibCheck', '--outDir', to];
  execFileSync(join(ROOT, 'node_modules/.bin/tsc'), [...compile, join(HERE, 'guest.ts')], { cwd: ROOT });
}

function release(): string {
  const [only, ...others] = readdirSync(join(DEBIAN, 'lib/modules'));
  if (only === undefined || others.length > 0)
    throw new Error(`${DEBIAN} holds not one kernel but ${others.length + 1}`);
  return only;
}

/** Numbered in the order in which they must be loaded; what the kernel has built in is left out. */
function copyModules(to: string): void {
  execFileSync('depmod', ['-b', DEBIAN, release()]);
  const of = ['-d', DEBIAN, '-S', release(), '--show-depends', '-a', ...MODULES];
  const printed = execFileSync('modprobe', of, { encoding: 'utf8' });
  const paths = new Set([...printed.matchAll(/^insmod (\S+)/gm)].map(([, path = '']) => path));
  for (const [index, path] of [...paths].entries()) {
    const name = `${String(index).padStart(2, '0')}-${basename(path, '.xz')}`;
    const module = path.endsWith('.xz')
      ? execFileSync('xz', ['-dc', path], { maxBuffer: 2 ** 26 })
      : readFileSync(path);
    writeFileSync(join(to, name), module);
  }
}
