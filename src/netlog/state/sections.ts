// What the state files are made of: their head with the settings, and for each file a state with its text. Jinja's and
// YAML's traps are met here: a text is raw to Jinja (bash's ${#array} begins a comment there) and stands 8 columns in, as
// YAML's blocks want it.
import { basename } from 'node:path';
import { ACTIVATE, type DeployedFile, FILES, type Role } from './files.ts';
import { QUBE_RANGES, SETTINGS, type Setting } from './settings.ts';

/** The text of a file below deploy/. */
export type Read = (from: string) => string;

/** Where dom0 keeps what it brings to qubes, and what brings it. */
export const PAYLOAD = '/usr/local/lib/qubes-netlogs';
export const DEPLOY = '/usr/local/sbin/qubes-netlogs-deploy';
export const QUBE_ROLES: readonly Role[] = ['template', 'source', 'capture', 'nftlog', 'work'];
const COMMANDS = ['state.show_sls', '--show-output state.sls'];

/** What all state files begin with: settings, and who gets what. */
export function head(sls: string, about: readonly string[]): string {
  const defaults = Object.entries(SETTINGS).map(([name, { value }]) => `  '${name}': ${jinja(value)},`);
  const forms = Object.entries(SETTINGS).map(([name, { form }]) => `  '${name}': ${jinja(form)},`);
  const ranges = QUBE_RANGES.map((range) => `--exclude ${range} `).join('');
  return `${[
    ...about,
    '#',
    ...COMMANDS.map((command) => `#   sudo qubesctl ${command} qubes.monitor.${sls}`),
    '#',
    '# Rendered by `npm run build:sls` from src/netlog/state/ and deploy/: changes are made there.',
    "{%- set id = grains['id'] %}",
    "{%- set given = salt['pillar.get']('netlog', {}) or {} %}",
    "{%- if given is not mapping %}{{ raise('pillar netlog: it has no settings by their names') }}{% endif %}",
    '{%- set netlog = dict({',
    ...defaults,
    '}, **given) %}',
    '',
    '{#- what is not as it must be ends here, before anything is done; forms are of JSON #}',
    '{%- set forms = {',
    ...forms,
    '} %}',
    '{%- for name, value in netlog.items() %}',
    "{%- if name not in forms %}{{ raise('pillar netlog: there is no setting ' ~ name) }}{% endif %}",
    "{%- if not value | tojson is match('(' ~ forms[name] ~ ')\\\\Z') %}",
    "{{- raise('pillar netlog: ' ~ name ~ ': ' ~ value ~ ' is not of the form ' ~ forms[name]) }}",
    '{%- endif %}',
    '{%- endfor %}',
    "{%- if netlog.mode == 'template' and not netlog.templates %}",
    "{{- raise('pillar netlog: templates: none is named, and the mode is template') }}",
    '{%- endif %}',
    '',
    '{#- who gets files, and which; in a template, what runs is decided by services of its qubes #}',
    '{%- set qubes = {} %}',
    "{%- if netlog.mode == 'template' %}",
    "{%- for qube in netlog.templates %}{% do qubes.update({qube: ['template', 'source', 'capture', 'nftlog']}) %}{% endfor %}",
    `{%- set activate = '${ACTIVATE.template}' %}`,
    '{%- else %}',
    "{%- for qube in netlog.capture %}{% do qubes.setdefault(qube, ['source']).append('capture') %}{% endfor %}",
    "{%- for qube in netlog.nftlog %}{% do qubes.setdefault(qube, ['source']).append('nftlog') %}{% endfor %}",
    `{%- set activate = '${ACTIVATE.rw}' %}`,
    '{%- endif %}',
    ...(FILES.some(({ role }) => role === 'work')
      ? ["{%- do qubes.setdefault(netlog.work, []).append('work') %}"]
      : []),
    '',
    '{#- where each set of files is put: in a qube at once, in dom0 where qubes-netlogs-deploy takes it from #}',
    '{%- set roots = {} %}',
    "{%- if id == 'dom0' %}",
    "{%- do roots.update({'dom0': ''}) %}",
    `{%- for roles in qubes.values() %}{% for role in roles %}{% do roots.update({role: '${PAYLOAD}/' ~ role}) %}{% endfor %}{% endfor %}`,
    '{%- else %}',
    "{%- for role in qubes.get(id, []) %}{% do roots.update({role: ''}) %}{% endfor %}",
    '{%- endif %}',
    "{%- set release_file = '/rw/config/netlog/release' if netlog.mode == 'rw' else '/usr/lib/netlog/release' %}",
    `{%- set skipped = '${ranges}' if netlog.skip_qube_ranges else '' %}`,
  ].join('\n')}\n`;
}

/** States for the files of `role`, where the qube that this is rendered for, or dom0's payload, gets them. */
export function section(role: Role, state: (file: DeployedFile, where: string) => string): string {
  const files = FILES.filter((file) => file.role === role);
  const group = (mode: string, chosen: readonly DeployedFile[]): string[] =>
    chosen.length === 0 ? [] : [`{%- if netlog.mode == '${mode}' %}\n`, ...chosen.map(one), '{%- endif %}\n'];
  const one = (file: DeployedFile): string => state(file, `{{ roots.${role} }}${place(file)}`);
  const either = role === 'dom0' || role === 'work';
  return [
    `{%- if '${role}' in roots %}\n`,
    ...files.filter(({ rw, template }) => either || (rw && template)).map(one),
    ...group('rw', either ? [] : files.filter(({ template }) => !template)),
    ...group('template', either ? [] : files.filter(({ rw }) => !rw)),
    '{%- endif %}\n',
  ].join('');
}

function place({ rw, template }: DeployedFile): string {
  if (rw === undefined || template === undefined) return rw ?? template ?? '';
  return `{{ '${rw}' if netlog.mode == 'rw' else '${template}' }}`;
}

const stateId = ({ role, rw = '', template = rw }: DeployedFile): string =>
  `netlog-${role}-${basename(rw || template)}`;

export function managedFile(read: Read): (file: DeployedFile, where: string) => string {
  return (file, where) => {
    const owner = file.role === 'work' ? "{{ 'root' if id == 'dom0' else 'user' }}" : 'root';
    return `
${stateId(file)}:
  file.managed:
    - name: ${where}
    - user: ${owner}
    - group: ${owner}
    - mode: '${file.mode}'
    - makedirs: true
    - contents: |
${contents(read(file.from), file)}
`;
  };
}

export const absentFile = (file: DeployedFile, where: string): string => absent(stateId(file), where);

export const absent = (id: string, name: string): string => `
${id}:
  file.absent:
    - name: ${name}
`;

/** As a block of YAML that Jinja leaves as it is, but for what the pillar fills in. @throws Error for what would not survive */
function contents(text: string, { from, fills }: DeployedFile): string {
  if (!/^\S.*[^\n]\n$/s.test(text)) throw new Error(`${from}: begins with a space, or does not end with one newline`);
  const indent = (lines: string): string => lines.trimEnd().replace(/^(?=.)/gm, ' '.repeat(8));
  if (fills === undefined) {
    if (/\{%-? *endraw/.test(text)) throw new Error(`${from}: holds endraw`);
    return `        {%- raw %}\n${indent(text)}\n        {%- endraw %}`;
  }
  if (/\{[{%#]/.test(text)) throw new Error(`${from}: is filled in, and holds what Jinja would take for its own`);
  let filled = text;
  for (const [literal, expression] of Object.entries(fills)) {
    if (filled.split(literal).length !== 2) throw new Error(`${from}: does not hold ${literal} exactly once`);
    filled = filled.replace(literal, () => expression);
  }
  return indent(filled);
}

/** A value as Jinja writes it. */
function jinja(value: Setting['value']): string {
  if (typeof value === 'string') return `'${value.replaceAll('\\', '\\\\')}'`;
  if (typeof value !== 'object') return String(value);
  if (Array.isArray(value)) return `[${value.map(jinja).join(', ')}]`;
  return `{${Object.entries(value)
    .map(([name, text]) => `'${name}': ${jinja(text)}`)
    .join(', ')}}`;
}
