// A bar chart as SVG: a group of bars for each cell, a bar for each program, its median in words behind it and a line from the
// least to the most. Its own background and the reader's colour scheme, so that it can be read on a light page and on a dark
// one. Pure.

export interface Bar {
  readonly name: string;
  readonly min: number;
  readonly median: number;
  readonly max: number;
  /** Written behind the bar. */
  readonly text: string;
}

export interface BarGroup {
  readonly title: string;
  readonly bars: readonly Bar[];
}

const WIDTH = 860;
const MARGIN = 20;
/** Room for names before the bars, and for words behind the longest. */
const NAMES = 190;
const WORDS = 230;
const BAR = 18;
const STEP = 24;
const GROUP_HEAD = 26;
const GROUP_GAP = 12;
const HEAD = 46;

const STYLE = `
  text { font: 13px system-ui, -apple-system, 'Segoe UI', sans-serif; fill: #1f2328 }
  .title { font-size: 16px; font-weight: 600 }
  .group { font-weight: 600 }
  .page { fill: #ffffff; stroke: #d1d9e0 }
  .ours { fill: #1f6feb }
  .theirs { fill: #9aa4af }
  .spread { stroke: #1f2328; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .page { fill: #0d1117; stroke: #3d444d }
    .ours { fill: #4493f8 }
    .theirs { fill: #656c76 }
    .spread { stroke: #e6edf3 }
  }
`;

/** Bars whose name begins with `ours` stand out. */
export function barChart(title: string, groups: readonly BarGroup[], ours: string): string {
  const largest = Math.max(0, ...groups.flatMap(({ bars }) => bars.map(({ max }) => max)));
  const scale = (value: number): number => (largest === 0 ? 0 : (value / largest) * (WIDTH - MARGIN - NAMES - WORDS));
  const parts: string[] = [text(MARGIN, MARGIN + 12, 'title', title)];
  let top = HEAD;
  for (const group of groups) {
    parts.push(text(MARGIN, top + 16, 'group', group.title));
    top += GROUP_HEAD;
    for (const bar of group.bars) {
      parts.push(...barParts(bar, top, scale, bar.name.startsWith(ours) ? 'ours' : 'theirs'));
      top += STEP;
    }
    top += GROUP_GAP;
  }
  const height = top + MARGIN - GROUP_GAP;
  const page = `<rect class="page" x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="6"/>`;
  const size = `width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}"`;
  const open = `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img" aria-label="${escaped(title)}">`;
  return [open, `<style>${STYLE}</style>`, page, ...parts, '</svg>', ''].join('\n');
}

function barParts(bar: Bar, top: number, scale: (value: number) => number, kind: string): string[] {
  const left = MARGIN + NAMES;
  const middle = top + BAR / 2;
  const parts = [text(left - 8, middle + 4, '', bar.name, 'end')];
  const width = (value: number): string => scale(value).toFixed(1);
  parts.push(`<rect class="${kind}" x="${left}" y="${top}" width="${width(bar.median)}" height="${BAR}" rx="2"/>`);
  const [from, to] = [left + scale(bar.min), left + scale(bar.max)];
  if (to - from > 1) {
    const at = `x1="${from.toFixed(1)}" x2="${to.toFixed(1)}" y1="${middle}" y2="${middle}"`;
    parts.push(`<line class="spread" ${at}/>`);
  }
  parts.push(text(Math.ceil(Math.max(to, left + scale(bar.median))) + 8, middle + 4, '', bar.text));
  return parts;
}

function text(x: number, y: number, kind: string, words: string, anchor = 'start'): string {
  const looks = `${kind === '' ? '' : ` class="${kind}"`}${anchor === 'start' ? '' : ` text-anchor="${anchor}"`}`;
  return `<text x="${x}" y="${y}"${looks}>${escaped(words)}</text>`;
}

function escaped(words: string): string {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
