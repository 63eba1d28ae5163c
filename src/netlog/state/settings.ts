// What the pillar `netlog` can say, with the value of what it does not say: qubes, prefixes, schedule, sizes. The state files
// and the example pillar are rendered from this table (deploy/qubes/main.ts). A state file ends with the name of a setting that
// is not of its form, before it does anything (sections.ts): values go into files, of shell and others, as they are.

/** A list of qubes, or each with its value. */
type Value = string | number | boolean | readonly string[] | Readonly<Record<string, string>>;

export interface Setting {
  readonly value: Value;
  /** What it must be: a regular expression, of Python's, for all of it as JSON. */
  readonly form: string;
  /** One line for the example pillar. */
  readonly about: string;
}

/** At most 31 characters, as Qubes has it. */
const QUBE = '"(?!dom0")[A-Za-z][A-Za-z0-9_.-]{0,30}"';
/** As YAML has it with quotes or without. */
const number = (digits: number, first = '[1-9]'): string => `"?${first}[0-9]{0,${digits - 1}}"?`;
const list = (item: string): string => `(${item}(, ${item})*)?`;
const RATE = '"[1-9][0-9]{0,8}/(second|minute|hour|day|week)( burst [1-9][0-9]{0,8} packets)?"';

export const SETTINGS: Readonly<Record<string, Setting>> = {
  mode: {
    value: 'rw',
    form: '"(rw|template)"',
    about: "rw: all is kept in the qubes' own /rw; template: in the templates, as disposables need it",
  },
  templates: { value: [], form: `\\[${list(QUBE)}\\]`, about: 'with mode template: the templates of the qubes below' },
  capture: { value: ['sys-dns', 'sys-vpn'], form: `\\[${list(QUBE)}\\]`, about: 'qubes that capture packets' },
  nftlog: {
    value: { 'sys-firewall': 'SYSFW', 'sys-net': 'SYSNET' },
    form: `\\{${list(`${QUBE}: "[A-Z][A-Z0-9_-]{0,30}"`)}\\}`,
    about: 'qubes whose nftables write to their kernel log, each with the prefix of its lines',
  },
  vault: { value: 'secrets-vault', form: QUBE, about: 'where the nightly backup goes' },
  work: { value: 'work', form: QUBE, about: 'where bundles are looked at' },
  dns_rate: {
    value: '100/second burst 500 packets',
    form: RATE,
    about: "DNS packets of one interface that are logged at most, in nft's words: 10/second",
  },
  new_rate: {
    value: '50/second burst 200 packets',
    form: RATE,
    about: 'new flows of one interface that are logged at most',
  },
  prune_days: {
    value: 2,
    form: number(4, '[0-9]'),
    about: 'days after which a source deletes savefiles that are in the vault',
  },
  max_bytes: { value: 2147483648, form: number(15), about: 'bytes of one bundle at most: no source fills the vault' },
  keep_days: { value: '', form: `""|${number(4)}`, about: 'days after which the vault deletes bundles; empty: never' },
  keep_bytes: {
    value: '',
    form: `""|${number(15)}`,
    about: 'bytes of all bundles beyond which it deletes the oldest; empty: never',
  },
  recipient: {
    value: '',
    form: '"(age1[0-9a-z]{20,4000})?"',
    about: 'age public key to which sources encrypt; empty: not encrypted',
  },
  at: { value: '03:35', form: '"([01][0-9]|2[0-3]):[0-5][0-9]"', about: 'when the backup runs' },
  also_at: {
    value: '',
    form: '"[A-Za-z0-9 *:,./~-]*"',
    about: "and when besides, in systemd's words: hourly, as disposables need it",
  },
  final: { value: false, form: 'true|false', about: 'true: and when the machine is shut down' },
  snaplen: { value: 96, form: number(6), about: 'bytes kept of a packet' },
  ring: { value: 48, form: number(5), about: 'savefiles kept, one an hour' },
  skip_qube_ranges: {
    value: false,
    form: 'true|false',
    about: 'true: what goes to or comes from an address of a qube is not captured',
  },
  options: {
    value: '',
    form: '"([^"\\\\]|\\\\u00(3c|3e|26))*"',
    about: 'further options of tsnetpcap, as in NETPCAP_OPTS: --keep-names --min-free 10%',
  },
};

/** Where Qubes OS has its qubes, disposables, DNS addresses, and all of these in IPv6 (qubes/config.py, vm/mix/net.py). */
export const QUBE_RANGES: readonly string[] = [
  '10.137.0.0/16',
  '10.138.0.0/16',
  '10.139.0.0/16',
  'fd09:24ef:4179::/48',
];
