// The page of a day with its data: one HTML file that asks for nothing and runs nothing but its own script. `netlogs report`
// writes it. Values come from captured packets, so they are hostile: they go in as JSON in a data block, which a browser does
// not run, without a `<` that could end the block; the script (page/) makes text nodes of them.
import { DATA_PLACE, emptyPage } from '../../netlog-page.ts';
import { harmless } from '../harmless.ts';
import type { ReportData } from './report-data.ts';

/** Longer than any DNS name. What is longer is cut, and ends in `…`. */
const LONGEST = 256;

/** The whole file. Control characters, bidi controls and what is overlong in any text of `data` are made harmless here. */
export function renderReport(data: ReportData): string {
  const [before, after] = emptyPage().split(DATA_PLACE);
  if (before === undefined || after === undefined) throw new Error('unreachable: the page has no place for its data');
  return before + block(data) + after;
}

function block(data: ReportData): string {
  const json = JSON.stringify(data, (_key, value) => (typeof value === 'string' ? shown(value) : value));
  return json.replaceAll('<', '\\u003c');
}

function shown(text: string): string {
  const whole = harmless(text);
  // The cut may leave half of a surrogate pair.
  return whole.length > LONGEST ? `${harmless(whole.slice(0, LONGEST - 1))}…` : whole;
}
