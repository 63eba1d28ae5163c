// For each qube, the names and addresses that most bytes went to and the names most asked for, each with a bar that compares
// it with the first. A press on one looks for its flows.
import type { ReportData, ReportPeer, ReportQube, ReportQuestion } from '../report-data.ts';
import { element, identifier, section } from './element.ts';
import { bytes, count, counted } from './format.ts';

/** Called with what to look for among the flows of `host`. */
export type Look = (value: string, host: string) => void;

interface Line {
  readonly value: string;
  readonly size: number;
  readonly text: string;
}

export function names({ qubes }: ReportData, look: Look): HTMLElement {
  const parts = qubes.flatMap((qube) => {
    const lists = [
      list('Names connected to', qube.names.rows.map(peer), qube.names.total, qube, look),
      list('Addresses connected to', qube.addresses.rows.map(peer), qube.addresses.total, qube, look),
      list('Names asked for', qube.questions.rows.map(question), qube.questions.total, qube, look),
    ].flat();
    if (lists.length === 0) return [];
    return [element('h3', {}, qube.host), element('div', { class: 'lists' }, ...lists)];
  });
  return section('names', 'Names and addresses', ...(parts.length > 0 ? parts : [element('p', {}, 'None were seen.')]));
}

function peer({ value, bytes: size, flows }: ReportPeer): Line {
  return { value, size, text: `${bytes(size)}, ${counted(flows, 'flow')}` };
}

function question({ name, count: size, refused }: ReportQuestion): Line {
  const failed = refused > 0 ? `, ${count(refused)} failed` : '';
  return { value: name, size, text: `${counted(size, 'time')}${failed}` };
}

/** Nothing where there are no lines. */
function list(title: string, lines: readonly Line[], total: number, { host }: ReportQube, look: Look): HTMLElement[] {
  const [first] = lines;
  if (first === undefined) return [];
  const items = lines.map(({ value, size, text }) => {
    const button = element('button', { type: 'button', title: 'Find its flows' }, identifier(value));
    button.addEventListener('click', () => look(value, host));
    const item = element('li', {}, button, element('span', { class: 'note' }, text));
    item.style.setProperty('--part', String(first.size > 0 ? size / first.size : 0));
    return item;
  });
  const left = total - lines.length;
  const note = left > 0 ? [element('p', { class: 'note' }, `and ${count(left)} more`)] : [];
  return [element('div', {}, element('h4', {}, title), element('ol', { class: 'plain bars' }, ...items), ...note)];
}
