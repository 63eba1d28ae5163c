// What the measured costs come to on a wire: packets a second of one core, and for links of 1, 10 and 40 Gbit/s the cores, the
// disk and the ring that they ask for. Pure arithmetic over the results of `capture`; every assumption is said beside.

import { RING_BYTES_A_PACKET } from './burst.ts';
import { markdownTable } from './cell-table.ts';
import { MIX } from './frames.ts';
import type { Results } from './results.ts';
import { spread } from './spread.ts';

const LINKS_GBIT = [1, 10, 40];
const SNAPLEN = 96;
const RECORD_HEADER = 16;
/** Preamble, frame checksum and the gap between frames, of Ethernet. */
const WIRE_OVERHEAD = 24;
const BURSTS_SEC = [0.01, 0.1, 1];

const weights = MIX.reduce((sum, { weight }) => sum + weight, 0);
const mixed = (of: (length: number) => number): number =>
  MIX.reduce((sum, { length, weight }) => sum + of(length) * weight, 0) / weights;

/** What is on the wire, and the cell of `capture` that has its cost. */
const TRAFFIC = [
  { title: '64-byte frames', cell: 'size-64', mean: (of: (length: number) => number) => of(64) },
  { title: 'the mix', cell: 'full-mix', mean: mixed },
  { title: '1,514-byte frames', cell: 'size-1514', mean: (of: (length: number) => number) => of(1514) },
];

const PROGRAMS = ['tsnetpcap', 'tcpdump'] as const;

/** Markdown, undefined while the cells that it needs have no valid run. */
export function scalingSection(results: Results): string | undefined {
  const rows: string[][] = [];
  const costs: string[][] = [];
  for (const { title, cell, mean } of TRAFFIC) {
    const sec = PROGRAMS.map((program) => secAPacket(results, cell, program));
    if (sec.some((value) => !(value > 0))) return undefined;
    costs.push([title, ...sec.map((value) => (value * 1e9).toFixed(0)), ...sec.map((value) => count(1 / value))]);
    for (const gbit of LINKS_GBIT) {
      const rate = (gbit * 1e9) / 8 / (mean((length) => length) + WIRE_OVERHEAD);
      const bytes = RECORD_HEADER + mean((length) => Math.min(length, SNAPLEN));
      rows.push([
        gbit === LINKS_GBIT[0] ? title : '',
        `${gbit} Gbit/s`,
        count(rate),
        ...sec.map((value) => (value * rate).toFixed(2)),
        `${count((rate * bytes) / 1e6)} MB/s`,
        ...BURSTS_SEC.map((burst) => mib(rate * burst * RING_BYTES_A_PACKET)),
      ]);
    }
  }
  const perCore = [
    '',
    ...PROGRAMS.map((program) => `${program}, ns a packet`),
    ...PROGRAMS.map((name) => `${name}, packets/s a core`),
  ];
  const bursts = BURSTS_SEC.map((burst) => `ring for ${burst} s`);
  const links = ['', 'link', 'packets/s', ...PROGRAMS.map((program) => `${program}, cores`), 'disk', ...bursts];
  return `${markdownTable([perCore, ...costs])}\n${markdownTable([links, ...rows])}\n${ASSUMPTIONS}`;
}

/** CPU time that one more packet costs: without the fixed cost of starting and stopping. NaN when it was not measured. */
function secAPacket(results: Results, id: string, program: string): number {
  const median = (cell: string, key: string): number => {
    const result = results.cells[cell];
    const runs = result?.runs.filter((run) => run.program === program && run.flaw === undefined) ?? [];
    return spread(runs.flatMap(({ values }) => values[key] ?? []))[1];
  };
  return (median(id, 'cpuSec') - median('none', 'cpuSec')) / median(id, 'written');
}

function count(value: number): string {
  const digits = value >= 1e6 ? 2 : 0;
  return value >= 1e6
    ? `${(value / 1e6).toFixed(digits)} M`
    : value >= 1e4
      ? `${Math.round(value / 1e3)} k`
      : value.toFixed(0);
}

function mib(bytes: number): string {
  const value = bytes / 1024 / 1024;
  return `${value < 10 ? value.toFixed(1) : value.toFixed(0)} MiB`;
}

const ASSUMPTIONS = `Assumptions. The link is full in one direction, with ${WIRE_OVERHEAD} bytes of preamble, checksum and gap a frame. A packet
costs on a core of this machine what it costs at full speed in the table above, less what a capture without packets costs;
what the network card, its driver and the kernel's stack cost before the packet socket comes on top, and the generator paid it
here. One capture has one thread: above one core it needs more cores than it can use, and packets are lost (filter, sample
flows, or split the traffic over several captures). 1 MB/s of disk is 10^6 bytes a second, ${RECORD_HEADER} bytes of record
header a packet included, and the disk keeps that up. The ring holds what arrives while the writer stands still, at
${RING_BYTES_A_PACKET} bytes a packet whatever its length above ${SNAPLEN}; shorter ones take less.
`;
