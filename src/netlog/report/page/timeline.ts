// The timeline: for each qube a chart with its sums in words above it, a switch between bytes and packets, and the same as a
// table by the hour.
import type { ReportData, ReportGap, ReportQube, ReportTimeline } from '../report-data.ts';
import { Chart } from './chart.ts';
import { number, size, time, word } from './columns.ts';
import { type Content, element, section } from './element.ts';
import { bytes, Clock, counted, short } from './format.ts';
import { lookOf, shortly } from './gaps.ts';
import { Table } from './table.ts';

/** What is summed, and how the axis and the line above the chart write it. */
const MEASURES = {
  bytes: { values: (qube: ReportQube) => qube.bytesAt, axis: bytes },
  packets: { values: (qube: ReportQube) => qube.packetsAt, axis: short },
  lines: { values: (qube: ReportQube) => qube.linesAt, axis: short },
} as const;
type Measure = keyof typeof MEASURES;

const HOUR_MS = 3_600_000;

export class Timeline {
  readonly element: HTMLElement;
  readonly #panels: readonly Panel[];

  constructor(data: ReportData) {
    const { qubes, timeline, gaps } = data;
    const clock = new Clock(data.zone);
    this.#panels = qubes.flatMap((qube) => {
      const these = gaps.rows.filter(({ host }) => host === qube.host);
      const panel = (measures: readonly Measure[]) => new Panel(qube, measures, timeline, these, data.zone, clock);
      // The gaps of a qube that recorded nothing are shown, too.
      const traffic = qube.packetsAt.length > 0 || qube.linesAt.length === 0 ? [panel(['bytes', 'packets'])] : [];
      return qube.linesAt.length > 0 ? [...traffic, panel(['lines'])] : traffic;
    });
    const outside = counted(timeline.outside, 'packet or line', 'packets and lines');
    this.element = section(
      'timeline',
      'Timeline',
      element('div', { class: 'bar' }, this.#measures(), key(gaps.rows)),
      ...this.#panels.map(({ element }) => element),
      ...(timeline.outside > 0
        ? [element('p', { class: 'note' }, `${outside} have a time outside of what is shown.`)]
        : []),
      element('details', {}, element('summary', {}, 'The same as a table'), byHour(qubes, timeline, clock)),
    );
  }

  repaint(): void {
    for (const panel of this.#panels) panel.repaint();
  }

  #measures(): HTMLElement {
    const buttons = (['bytes', 'packets'] as const).map((measure) => {
      const button = element('button', { type: 'button', 'aria-pressed': String(measure === 'bytes') }, measure);
      button.addEventListener('click', () => {
        for (const each of buttons) each.setAttribute('aria-pressed', String(each === button));
        for (const panel of this.#panels) panel.measure(measure);
      });
      return button;
    });
    return element('div', { class: 'choice', role: 'group', 'aria-label': 'The charts show' }, ...buttons);
  }
}

class Panel {
  readonly element: HTMLElement;
  readonly #qube: ReportQube;
  readonly #timeline: ReportTimeline;
  readonly #gaps: readonly ReportGap[];
  readonly #clock: Clock;
  readonly #measures: readonly Measure[];
  readonly #said: HTMLElement = element('p', { class: 'said' });
  readonly #chart: Chart;

  /** `measures`: what it can show; it begins with the first. */
  constructor(
    qube: ReportQube,
    measures: readonly Measure[],
    timeline: ReportTimeline,
    gaps: readonly ReportGap[],
    zone: string,
    clock: Clock,
  ) {
    this.#qube = qube;
    this.#measures = measures;
    this.#timeline = timeline;
    this.#gaps = gaps;
    this.#clock = clock;
    this.#chart = new Chart({ timeline, gaps, zone, clock, hover: (step) => this.#say(step) });
    this.measure(measures[0] ?? 'bytes');
    this.#say(undefined);
    const head = element('div', { class: 'panel-head' }, element('h3', {}, qube.host), this.#said);
    this.element = element('div', { class: 'panel' }, head, this.#chart.element);
  }

  repaint(): void {
    this.#chart.repaint();
  }

  /** Nothing changes where it can't be shown. */
  measure(measure: Measure): void {
    if (!this.#measures.includes(measure)) return;
    const { values, axis } = MEASURES[measure];
    this.#chart.show(values(this.#qube), axis);
  }

  /** The sums of a step and what was amiss in it, or the sums of all. */
  #say(step: number | undefined): void {
    const { from: first, stepMs, steps } = this.#timeline;
    if (step === undefined || step >= steps) {
      this.#said.replaceChildren(this.#sums(this.#qube));
      return;
    }
    const [start, end] = [first + step * stepMs, first + (step + 1) * stepMs];
    const { packetsAt, bytesAt, linesAt } = this.#qube;
    const sums = { packets: packetsAt[step] ?? 0, bytes: bytesAt[step] ?? 0, lines: linesAt[step] ?? 0 };
    const amiss = this.#gaps
      .filter(({ from, to }) => from !== null && to !== null && from < end && to >= start)
      .map(shortly);
    const parts = [this.#clock.span(start, end), this.#sums(sums), ...new Set(amiss)];
    this.#said.replaceChildren(parts.join(' · '));
  }

  #sums(sums: { readonly bytes: number; readonly packets: number; readonly lines: number }): string {
    if (this.#measures.includes('lines')) return counted(sums.lines, 'nft line');
    return `${bytes(sums.bytes)}, ${counted(sums.packets, 'packet')}`;
  }
}

/** What the bands mean, of those that there are. */
function key(gaps: readonly ReportGap[]): HTMLElement {
  const looks = new Set(gaps.map(({ kind }) => lookOf(kind)));
  const items: Content[] = [];
  if (looks.has('hole')) items.push(element('li', { class: 'hole' }, 'nothing recorded'));
  if (looks.has('loss')) items.push(element('li', { class: 'loss' }, 'not everything recorded'));
  return element('ul', { class: 'key' }, ...items);
}

interface Hour {
  readonly host: string;
  readonly from: number;
  bytes: number;
  packets: number;
  lines: number;
}

/** Steps are an hour or a whole part of it, or longer. */
function byHour(qubes: readonly ReportQube[], { from, stepMs, steps }: ReportTimeline, clock: Clock): HTMLElement {
  const rows = new Map<string, Hour>();
  for (const { host, packetsAt, bytesAt, linesAt } of qubes) {
    for (let step = 0; step < steps; step += 1) {
      const time = from + step * stepMs;
      const hour = time - (time % Math.max(HOUR_MS, stepMs));
      const name = `${hour} ${host}`;
      const row = rows.get(name) ?? { host, from: hour, bytes: 0, packets: 0, lines: 0 };
      row.bytes += bytesAt[step] ?? 0;
      row.packets += packetsAt[step] ?? 0;
      row.lines += linesAt[step] ?? 0;
      rows.set(name, row);
    }
  }
  const table = new Table<Hour>({
    caption: 'Bytes, packets and nft lines of each qube by the hour',
    rows: [...rows.values()],
    columns: [
      word('Qube', ({ host }) => host),
      time('From', (row) => row.from, clock),
      size('Bytes', (row) => row.bytes),
      number('Packets', ({ packets }) => packets),
      number('nft lines', ({ lines }) => lines),
    ],
  });
  return table.element;
}
