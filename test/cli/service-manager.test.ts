// What a capture tells the service manager while it is ready, waits, is away from its disk or its interface, and ends. Live,
// in a lab; needs root, and fails without it. The real systemd is in test/boot.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { Lab } from '../../bench/lab.ts';
import { offer } from '../../bench/offer.ts';
import { PROGRAM, Program } from '../program.ts';
import { expectReadable, savefilesIn } from '../savefile.ts';
import { ManagerStandIn } from '../service/manager-stand-in.ts';
import { Tmpfs } from '../tmpfs.ts';

let lab: Lab;
let directory: string;
/** Where the savefiles are. */
let home: string;
let manager: ManagerStandIn;

beforeAll(() => {
  lab = Lab.create();
});

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'tsnetpcap-manager-'));
  home = join(directory, 'home');
  mkdirSync(home);
  manager = await ManagerStandIn.at(join(directory, 'notify'));
});

afterEach(async () => {
  await manager?.end();
  if (directory !== undefined) rmSync(directory, { recursive: true });
});

afterAll(() => lab?.remove());

/** As a service with a watchdog of three seconds, so that it is heard of each second. */
function start(args: readonly string[]): Program {
  const env = { NOTIFY_SOCKET: manager.address, WATCHDOG_USEC: '3000000' };
  return new Program(lab, [process.execPath, PROGRAM, ...args], { env });
}

/** The watchdog hears of it twice more, from a loop that has come round since. */
async function livesOn(): Promise<void> {
  for (let times = 0; times < 2; times++) await manager.says(/^WATCHDOG=1$/, manager.lines.length);
}

test('ready with the first file, how it gets on, stopping; and what it starts is not told where to', async () => {
  const told = join(directory, 'told');
  const command = join(directory, 'command');
  writeFileSync(command, `#!/bin/sh\nenv > '${told}'\n`);
  chmodSync(command, 0o755);
  const program = start(['-i', 'cap0', '-w', join(home, 's-%Y.pcap'), '--ring', '3', '-z', command]);
  try {
    await manager.says(/^READY=1$/);
    expect(savefilesIn(home)).toEqual([expect.stringMatching(/^s-\d+\.pcap\.part$/)]);
    expect(manager.messages[0]).toMatch(/^READY=1\nSTATUS=0 packets, 0\/s, 0 dropped, \/.*\/home\/s-\d+\.pcap$/);
    expect(await offer(lab, { count: 1000 })).toBe(1000);
    await manager.says(/^STATUS=1000 packets, \d+\/s, 0 dropped, /);
    await livesOn();
    program.signal('SIGHUP');
    await program.until(() => existsSync(told)); // the first file is complete
    expect(await offer(lab, { count: 1 })).toBe(1);
    await manager.says(/^STATUS=1001 packets, \d+\/s, 0 dropped, .*-1\.pcap$/);
    expect(await program.stop()).toEqual({ captured: 1001, received: 1001, dropped: 0 });
    expect(readFileSync(told, 'utf8')).toMatch(/^PATH=/m);
    expect(readFileSync(told, 'utf8')).not.toMatch(/NOTIFY_SOCKET|WATCHDOG/);
    await manager.says(/^STOPPING=1$/);
    expect(manager.lines.filter((line) => /^(READY|STOPPING)/.test(line))).toEqual(['READY=1', 'STOPPING=1']);
  } finally {
    await program.kill();
  }
});

test('one that ends by itself says so before its last file is complete', async () => {
  const program = start(['-i', 'cap0', '-w', join(home, 'c-%Y.pcap'), '--ring', '3', '-c', '1', '-z', 'sleep']);
  try {
    await manager.says(/^READY=1$/);
    await offer(lab, { count: 1 });
    expect(await program.exit()).toBe(0);
    await manager.says(/^STOPPING=1$/);
  } finally {
    await program.kill();
  }
});

test('it is ready while it waits for its first interface, and lives on', async () => {
  const program = start(['-i', 'later0', '--wait-for-interface', '-w', join(home, 'one.pcap')]);
  try {
    await manager.says(/^READY=1$/);
    expect(manager.messages[0]).toBe('READY=1\nSTATUS=later0: waiting for the interface');
    await livesOn();
    lab.link('add', 'later0', 'type', 'veth', 'peer', 'name', 'later1');
    lab.link('set', 'later0', 'up');
    await manager.says(/^STATUS=\d+ packets.*one\.pcap$/);
    await livesOn();
    await program.stop();
    lab.link('delete', 'later0');
  } finally {
    await program.kill();
  }
});

test('it lives on without its interface', async () => {
  const program = start(['-i', 'cap0', '-w', join(home, 'one.pcap')]);
  try {
    await manager.says(/^READY=1$/);
    lab.disconnect();
    await manager.says(/^STATUS=.*, cap0 is removed$/);
    await livesOn();
    lab.connect();
    await manager.says(/^STATUS=[^a-z]*packets, .*one\.pcap$/, manager.lines.length);
    await program.stop();
  } finally {
    await program.kill();
  }
});

test('it lives on while the disk is full', async () => {
  const disk = Tmpfs.mount('256k');
  const program = start(['-i', 'cap0', '-w', join(disk.path, 's-%s.pcap'), '--rotate', '1d', '--ring', '3']);
  try {
    await manager.says(/^READY=1$/);
    disk.fill();
    await offer(lab, { count: 1000 });
    await manager.says(/^STATUS=.*, storage fails$/);
    await livesOn();
    disk.giveBack();
    await manager.says(/^STATUS=1000 packets.*\.pcap$/, manager.lines.length);
    program.signal('SIGTERM');
    expect(await program.exit()).toBe(0);
    const [name = ''] = readdirSync(disk.path).filter((each) => each.endsWith('.pcap'));
    expectReadable(join(disk.path, name), program.statistics().captured);
  } finally {
    await program.kill();
    disk.unmount();
  }
});

test('it lives on while nobody reads its pipe, and loses nothing', async () => {
  const fifo = join(directory, 'fifo');
  execFileSync('mkfifo', [fifo]);
  const program = start(['-i', 'cap0', '-w', fifo]);
  const reader = openSync(fifo, 'r');
  try {
    await manager.says(/^READY=1$/);
    expect(await offer(lab, { count: 1000 })).toBe(1000);
    await manager.says(/^WATCHDOG=1$/, manager.lines.length); // by then the pipe is full
    await livesOn();
    const copy = join(home, 'copy.pcap');
    const copying = Program.run(undefined, ['sh', '-c', `cat > '${copy}'`], { stdin: reader });
    await program.until(() => existsSync(copy) && statSync(copy).size === 24 + 1000 * (16 + 128));
    expect(await program.stop()).toEqual({ captured: 1000, received: 1000, dropped: 0 });
    expect(await copying).toMatchObject({ code: 0 });
    expectReadable(copy, 1000);
  } finally {
    await program.kill();
    closeSync(reader);
  }
});

test('a capture that is not a service tells nobody, and one whose manager is gone goes on', async () => {
  const env = { NOTIFY_SOCKET: join(directory, 'nobody') };
  const program = await Program.capture(lab, ['-i', 'cap0', '-w', join(home, 'one.pcap')], { env });
  try {
    await program.says(/tsnetpcap: NOTIFY_SOCKET: sendto: ENOENT/);
    expect(await offer(lab, { count: 10 })).toBe(10);
    expect(await program.stop()).toEqual({ captured: 10, received: 10, dropped: 0 });
    expect(manager.messages).toEqual([]);
  } finally {
    await program.kill();
  }
});
