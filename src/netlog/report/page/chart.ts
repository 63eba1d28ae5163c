// The chart of one qube on the timeline: sums over steps as an area, gaps as bands behind and as a strip below. The charts
// share their cursor. A table beside them (timeline.ts) says the same to those who can't see them.
import uPlot from 'uplot';
import type { ReportGap, ReportTimeline } from '../report-data.ts';
import type { Clock } from './format.ts';
import { type Look, lookOf } from './gaps.ts';
import { colour } from './theme.ts';

const HEIGHT = 136;
/** CSS pixels of a band that would be too narrow to see, and of the strip. */
const BAND = 3;
const STRIP = 5;
const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Seconds from one label of the time to the next: they show minutes, so not less than one. */
const LABELS: number[] = [
  ...[1, 5, 10, 15, 30].map((each) => each * MINUTE),
  ...[1, 2, 3, 6, 12].map((each) => each * HOUR),
  ...[1, 2, 7, 14, 28, 91, 182, 364].map((each) => each * DAY),
];
const FONT = '12px system-ui, sans-serif';

interface Paint {
  readonly area: string;
  readonly strip: string;
}

export interface ChartOptions {
  readonly timeline: ReportTimeline;
  readonly gaps: readonly ReportGap[];
  readonly zone: string;
  readonly clock: Clock;
  /** Called with the step under the cursor, or with undefined. */
  readonly hover: (step: number | undefined) => void;
}

export class Chart {
  readonly element: HTMLElement = document.createElement('div');
  readonly #options: ChartOptions;
  readonly #seconds: number[];
  #values: readonly number[] = [];
  #number: (value: number) => string = String;
  #plot: uPlot | undefined;

  constructor(options: ChartOptions) {
    this.#options = options;
    const { from, stepMs, steps } = options.timeline;
    // One step more than there are values: the last value is drawn to its end.
    this.#seconds = Array.from({ length: steps + 1 }, (_, step) => (from + step * stepMs) / 1000);
    this.element.className = 'chart';
    this.element.setAttribute('aria-hidden', 'true');
    new ResizeObserver(() => this.#fit()).observe(this.element);
  }

  /** `values`: one a step. `number`: how the left axis writes them. */
  show(values: readonly number[], number: (value: number) => string): void {
    this.#values = values;
    this.#number = number;
    this.#plot?.setData(this.#data());
  }

  /** Colours are read when a plot is made. */
  repaint(): void {
    this.#plot?.destroy();
    this.#plot = undefined;
    this.#fit();
  }

  #data(): uPlot.AlignedData {
    const { steps } = this.#options.timeline;
    return [this.#seconds, Array.from(this.#seconds, (_, step) => this.#values[Math.min(step, steps - 1)] ?? 0)];
  }

  #fit(): void {
    const width = Math.floor(this.element.clientWidth);
    if (width === 0) return;
    if (this.#plot === undefined) this.#plot = new uPlot(this.#plan(width), this.#data(), this.element);
    else if (this.#plot.width !== width) this.#plot.setSize({ width, height: HEIGHT });
  }

  #plan(width: number): uPlot.Options {
    const { zone, hover, timeline } = this.#options;
    const [text, line] = [colour('--muted'), colour('--line')];
    const stepped = uPlot.paths.stepped?.({ align: 1 });
    const paints = { hole: paint('--hole'), loss: paint('--loss') };
    const axis = { stroke: text, font: FONT, grid: { stroke: line, width: 1 }, ticks: { show: false }, gap: 7 };
    const ends: [number, number] = [timeline.from / 1000, (timeline.from + timeline.steps * timeline.stepMs) / 1000];
    return {
      width,
      height: HEIGHT,
      // Room for the last label.
      padding: [8, 24, 0, 0],
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), zone),
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, points: { show: false }, sync: { key: 'timeline' } },
      scales: { x: { range: ends }, y: { range: (_plot, _low, high) => [0, high > 0 ? high * 1.05 : 1] } },
      axes: [
        { ...axis, space: 64, size: 42, incrs: LABELS, values: this.#times() },
        { ...axis, size: 62, space: 28, values: (_plot, splits) => splits.map((value) => this.#number(value)) },
      ],
      series: [
        {},
        {
          stroke: colour('--accent'),
          fill: colour('--accent-area'),
          width: 1,
          ...(stepped !== undefined && { paths: stepped }),
          points: { show: false },
        },
      ],
      hooks: {
        drawClear: [(plot) => this.#bands(plot, (look) => paints[look].area, plot.bbox.height)],
        draw: [(plot) => this.#bands(plot, (look) => paints[look].strip, STRIP * devicePixelRatio)],
        setCursor: [({ cursor }) => hover(inside(cursor) ? (cursor.idx ?? undefined) : undefined)],
      },
    };
  }

  /** The hour at each line, the date below the first and where it changes. */
  #times(): uPlot.Axis.DynamicValues {
    const { clock } = this.#options;
    return (_plot, splits) => {
      let date = '';
      return splits.map((seconds) => {
        const next = clock.date(seconds * 1000);
        const text = clock.minute(seconds * 1000) + (next === date ? '' : `\n${next}`);
        date = next;
        return text;
      });
    };
  }

  /** For each gap a band that stands on the axis. */
  #bands({ ctx, bbox, valToPos }: uPlot, fill: (look: Look) => string, height: number): void {
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    for (const { from, to, kind } of this.#options.gaps) {
      if (from === null || to === null) continue;
      const left = Math.round(valToPos(from / 1000, 'x', true));
      const width = Math.round(valToPos(to / 1000, 'x', true)) - left;
      ctx.fillStyle = fill(lookOf(kind));
      ctx.fillRect(left, bbox.top + bbox.height - height, Math.max(width, BAND * devicePixelRatio), height);
    }
    ctx.restore();
  }
}

/** uPlot puts a cursor that is nowhere to the left of the chart, with the step where it was. */
function inside({ left = -1 }: uPlot.Cursor): boolean {
  return left >= 0;
}

function paint(property: string): Paint {
  return { area: colour(`${property}-area`), strip: colour(property) };
}
