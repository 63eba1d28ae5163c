// Renders what goes beside the state: the example pillar, with every setting, and the top file.
import { SETTINGS } from './settings.ts';

/** Every setting with its default, as a comment to take out. */
export function pillarExample(): string {
  const lines = Object.entries(SETTINGS).map(([name, { value, about }]) => `  # ${about}\n  ${name}: ${flow(value)}\n`);
  return `# /srv/pillar/netlog.sls: an example with every setting at its default; only what is to be otherwise needs to stand there.
# In /srv/pillar/top.sls, for dom0 and for the qubes that get the state by --targets:
#
#   base:
#     '*':
#       - netlog
netlog:
${lines.join('\n')}`;
}

/** For `qubesctl top.enable qubes.monitor.full-netlog` and `qubesctl state.highstate`. */
export function topFile(): string {
  return `# dom0 brings the qubes their files: they need no line of their own here.
base:
  dom0:
    - match: nodegroup
    - qubes.monitor.full-netlog
`;
}

/** A value in YAML's flow style. */
function flow(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value !== 'object' || value === null) return String(value);
  if (Array.isArray(value)) return `[${value.join(', ')}]`;
  return `{ ${Object.entries(value)
    .map(([name, text]) => `${name}: ${text}`)
    .join(', ')} }`;
}
