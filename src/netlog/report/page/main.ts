// The page of a day, in the browser: reads the data that render.ts put into the page, and builds the page from it. It asks for
// nothing from anywhere, and stores nothing.
import type { ReportData } from '../report-data.ts';
import { checks } from './checks.ts';
import { element } from './element.ts';
import { Flows } from './flows.ts';
import { names } from './names.ts';
import { bundles, changes, gaps } from './records.ts';
import { summary, title } from './summary.ts';
import { themeSwitch } from './theme.ts';
import { Timeline } from './timeline.ts';

/** The ids and titles of the sections, in order. */
const SECTIONS = {
  timeline: 'Timeline',
  checks: 'Checks',
  gaps: 'Gaps',
  changes: 'New',
  names: 'Names',
  flows: 'Flows',
  bundles: 'Bundles',
} as const;

const data: ReportData = JSON.parse(document.getElementById('data')?.textContent ?? '');
const timeline = new Timeline(data);
const flows = new Flows(data);
const links = Object.entries(SECTIONS).map(([id, text]) => element('a', { href: `#${id}` }, text));

document.title = `Network log ${[...new Set([data.from, data.to])].join(' to ')}`;
document.body.prepend(
  element('a', { href: '#flows', class: 'skip' }, 'To the flows'),
  element(
    'header',
    {},
    title(data),
    element(
      'div',
      { class: 'top' },
      element('nav', { 'aria-label': 'Sections' }, ...links),
      themeSwitch(() => timeline.repaint()),
    ),
  ),
  element(
    'main',
    {},
    summary(data),
    timeline.element,
    checks(data),
    gaps(data),
    changes(data),
    names(data, (value, host) => flows.look(value, host)),
    flows.element,
    bundles(data),
  ),
);
window.addEventListener('beforeprint', () => {
  for (const evidence of document.querySelectorAll<HTMLDetailsElement>('#checks details')) evidence.open = true;
});
