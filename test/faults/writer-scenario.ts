// PcapWriter under faults: a script of packets, spans and flushes, once by a caller that tries again until everything is
// written, once by one that gives up, and once long enough for disk space to be asked for ahead.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fallocate } from '../../src/native/libc.ts';
import { PcapWriter, type Reserve } from '../../src/savefile/writer.ts';
import { expectSyscallError, until } from './persistence.ts';
import type { Scenario, Stage } from './scenario.ts';

/** The most there is; a record of it is longer than a batch of the writer. */
const SNAPLEN = 262144;
const HEADER = { precision: 'micro', snaplen: SNAPLEN, linktype: 1 } as const;
const HEADER_BYTES = Buffer.from('d4c3b2a10200040000000000000000000000040001000000', 'hex');

interface Packet {
  readonly sec: number;
  readonly bytes: Buffer;
  readonly record: Buffer;
}

type Step = { readonly packet: Packet } | { readonly span: readonly Buffer[] } | { readonly flush: true };

interface Script {
  readonly steps: readonly Step[];
  /** What the file must hold in the end. */
  readonly file: Buffer;
}

function packet(sec: number, length: number): Packet {
  const bytes = Buffer.alloc(length, sec);
  const record = Buffer.alloc(16 + length);
  record.writeUInt32LE(sec, 0);
  record.writeUInt32LE(7, 4);
  record.writeUInt32LE(length, 8);
  record.writeUInt32LE(length + 1, 12);
  bytes.copy(record, 16);
  return { sec, bytes, record };
}

/** Some of the records are longer than a batch of the writer, some spans are too, some hold a single record. */
function script(random: () => number, packets: number): Script {
  const steps: Step[] = [];
  const records: Buffer[] = [HEADER_BYTES];
  let span: Buffer[] = [];
  let spanLeft = 0;
  for (let sec = 1; sec <= packets; sec++) {
    const kind = random();
    const size =
      kind < 0.003 ? SNAPLEN : kind < 0.01 ? random() * SNAPLEN : kind < 0.6 ? random() * 96 : random() * 3000;
    const length = Math.floor(size);
    const next = packet(sec, length);
    records.push(next.record);
    if (spanLeft === 0 && random() < 0.02) spanLeft = Math.ceil(random() ** 3 * 200);
    if (spanLeft === 0) {
      steps.push({ packet: next });
      if (random() < 0.005) steps.push({ flush: true });
      continue;
    }
    span.push(next.record);
    spanLeft--;
    if (spanLeft > 0 && sec < packets) continue;
    steps.push({ span });
    span = [];
  }
  return { steps, file: Buffer.concat(records) };
}

function same(what: string, found: Buffer, expected: Buffer): void {
  if (found.equals(expected)) return;
  let at = 0;
  while (found[at] === expected[at]) at++;
  throw new Error(`${what}: ${found.length} bytes, expected ${expected.length}, the first that differs is ${at}`);
}

/** Looks at the file behind the writer's back: nothing but whole records of the script, from its start. */
function expectWholePrefix(what: string, found: Buffer, expected: Buffer): void {
  same(what, found, expected.subarray(0, found.length));
  let end = 0;
  while (end < found.length) end += end === 0 ? 24 : 16 + found.readUInt32LE(end + 8);
  if (end !== found.length) throw new Error(`${what}: torn, ${found.length} bytes and a record to ${end}`);
}

function add(writer: PcapWriter, step: Step): boolean {
  if ('packet' in step) return writer.writePacket(step.packet.sec, 7, step.packet.bytes, step.packet.bytes.length + 1);
  if ('span' in step) return writer.flush() && writer.writeRecords(Buffer.concat(step.span));
  return writer.flush();
}

/** A caller that never gives up: what was not taken is offered again, what waits is flushed again. */
async function persist(stage: Stage, { steps, file }: Script, reserve?: Reserve): Promise<void> {
  const { faults, directory } = stage;
  const path = join(directory, 'persistent.pcap');
  const whole = (): void => {
    // A cut that was refused as well leaves a torn record there until the next attempt.
    if (faults.met().hits.ftruncate > 0) return;
    expectWholePrefix(
      'after a refusal',
      faults.aside(() => readFileSync(path)),
      file,
    );
  };
  const writer = until(() => PcapWriter.create(path, HEADER, false, reserve));
  for (const step of steps) {
    const before = writer.size;
    // What it has accepted waits there, whatever became of the attempt to write it.
    until(() => (writer.size > before ? writer.flush() : add(writer, step)), whole);
  }
  until(() => writer.flush(), whole);
  if (writer.size !== file.length) throw new Error(`size is ${writer.size} and not ${file.length}`);
  closed(writer);
  faults.disarm();
  same('the file', stage.judge(path), file);
}

/** A caller that forgets what was refused and goes on with what comes next, as for packets that find no room. */
async function forget(stage: Stage, { steps }: Script): Promise<void> {
  const { faults, directory } = stage;
  const path = join(directory, 'forgetful.pcap');
  const writer = until(() => PcapWriter.create(path, HEADER));
  const kept: Buffer[] = [];
  const drop = (): void => {
    kept.length -= writer.pendingRecords;
    writer.abandon();
  };
  for (const step of steps) {
    const before = writer.size;
    let refusal: unknown;
    let done = true;
    try {
      done = add(writer, step);
    } catch (cause) {
      expectSyscallError(cause);
      refusal = cause;
    }
    if (writer.size > before) kept.push(...('packet' in step ? [step.packet.record] : 'span' in step ? step.span : []));
    if (refusal !== undefined) drop();
    if (!done) until(() => writer.flush(), drop);
  }
  until(() => writer.flush(), drop);
  const file = Buffer.concat([HEADER_BYTES, ...kept]);
  if (writer.size !== file.length) throw new Error(`size is ${writer.size} and not ${file.length}`);
  closed(writer);
  faults.disarm();
  same('the file', stage.judge(path), file);
}

/** Everything has arrived, and the descriptor is closed even when close(2) says no. */
function closed(writer: PcapWriter): void {
  try {
    writer.close();
  } catch (cause) {
    expectSyscallError(cause);
  }
}

/** A caller that closes the file at the first refusal. */
async function giveUp(stage: Stage, { steps, file }: Script): Promise<void> {
  const { faults, directory } = stage;
  const path = join(directory, 'given-up.pcap');
  let complete = false;
  let created = false;
  try {
    const writer = PcapWriter.create(path, HEADER, true);
    created = true;
    try {
      complete = steps.every((step) => add(writer, step)) && writer.flush();
    } finally {
      writer.close();
    }
  } catch (cause) {
    expectSyscallError(cause);
    complete = false;
  }
  const { hits } = faults.disarm();
  if (hits.ftruncate > 0) return; // the next start cuts it
  if (!created && !existsSync(path)) return;
  const found = readFileSync(path);
  expectWholePrefix('the file', found, file);
  if (found.length > 0) stage.judge(path);
  if (complete) same('the file', found, file);
}

export const WRITER_SCENARIOS: readonly Scenario[] = [
  {
    name: 'writer, trying again',
    calls: ['create', 'write', 'close'],
    run: (stage) => persist(stage, script(stage.random, 600)),
  },
  {
    name: 'writer, forgetting what is refused',
    calls: ['create', 'write', 'close'],
    run: (stage) => forget(stage, script(stage.random, 600)),
  },
  {
    name: 'writer, giving up',
    calls: ['create', 'write', 'close'],
    run: (stage) => giveUp(stage, script(stage.random, 600)),
  },
  {
    name: 'writer, with space asked for ahead',
    calls: ['create', 'write', 'fallocate', 'ftruncate', 'close'],
    only: ['create', 'fallocate', 'ftruncate', 'close'],
    run: (stage) => persist(stage, script(stage.random, 8000), fallocate),
  },
];
