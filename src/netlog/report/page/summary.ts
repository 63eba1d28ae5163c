// The head of the page: what it is about, and the three answers that a reader came for: did anything leak, was anything lost,
// what is new.
import type { ReportCheck, ReportData } from '../report-data.ts';
import { type Content, element } from './element.ts';
import { Clock, count, counted } from './format.ts';
import { inWords } from './gaps.ts';

/** More than one of a kind of change. */
const NOUNS: Readonly<Record<string, string>> = { name: 'names', address: 'addresses', port: 'ports' };

type Mood = 'good' | 'bad' | 'unsure';

export function summary(data: ReportData): HTMLElement {
  return element('section', { id: 'summary', 'aria-label': 'Summary' }, leaks(data), losses(data), changes(data));
}

/** The page's heading, and below it whose log it is, of what time, and when it was made. */
export function title({ from, to, qubes, timeline, made, zone }: ReportData): HTMLElement {
  const clock = new Clock(zone);
  const end = timeline.from + timeline.steps * timeline.stepMs;
  const facts = [
    counted(qubes.length, 'qube'),
    ...(timeline.steps > 0 ? [clock.span(timeline.from, end)] : []),
    zone,
    `made ${clock.full(made)}`,
  ];
  return element(
    'div',
    { class: 'title' },
    element('h1', {}, `Network log of ${from === to ? from : `${from} to ${to}`}`),
    element('p', { class: 'note' }, facts.join(' · ')),
  );
}

function card(mood: Mood, answer: string, ...about: readonly Content[]): HTMLElement {
  return element('div', { class: `card ${mood}` }, element('h2', {}, answer), ...about);
}

function leaks({ checks }: ReportData): HTMLElement {
  const of = (status: ReportCheck['status']) => checks.filter((check) => check.status === status);
  const [failed, unknown] = [of('failed'), of('unknown')];
  const names = (these: readonly ReportCheck[]) => these.map(({ check }) => check).join(', ');
  const more = element('a', { href: '#checks' }, 'See the checks');
  if (failed.length > 0) return card('bad', `${counted(failed.length, 'check')} failed`, line(names(failed)), more);
  if (checks.length === 0) return card('unsure', 'Nothing was checked');
  if (unknown.length === 0)
    return card('good', 'No leak found', line(`${counted(checks.length, 'check')} passed`), more);
  const passed = `${count(checks.length - unknown.length)} of ${counted(checks.length, 'check')} passed`;
  return card('unsure', 'No leak found, not all seen', line(`${passed}; not known: ${names(unknown)}`), more);
}

function losses({ gaps, bundles }: ReportData): HTMLElement {
  if (bundles.length === 0 && gaps.total === 0) return card('unsure', 'Nothing was read');
  const unread = bundles.filter(({ encrypted, savefiles, lines }) => encrypted > 0 && savefiles + lines === 0);
  if (gaps.total === 0 && unread.length > 0)
    return card('unsure', 'Not all was read', line(`Encrypted: ${unread.map(({ host }) => host).join(', ')}`));
  if (gaps.total === 0) return card('good', 'Nothing was lost', line('No gap, no drop, no damage'));
  const parts = gaps.sums.map((sum) => element('li', {}, inWords(sum)));
  const more = element('a', { href: '#gaps' }, 'See when');
  return card('bad', 'Something is missing', element('ul', {}, ...parts), more);
}

function changes({ changes }: ReportData): HTMLElement {
  if (changes === undefined) return card('unsure', 'No day to compare with');
  if (changes.total === 0) return card('good', 'Nothing new', line(`Compared with ${changes.with}`));
  const parts = changes.sums.map(({ kind, times }) => element('li', {}, counted(times, kind, NOUNS[kind])));
  const more = element('a', { href: '#changes' }, 'See what');
  const answer = `${changes.more ? 'More than ' : ''}${count(changes.total)} new since ${changes.with}`;
  return card('unsure', answer, element('ul', {}, ...parts), more);
}

function line(text: string): HTMLElement {
  return element('p', {}, text);
}
