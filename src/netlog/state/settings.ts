// What the pillar `netlog` can say, with the value of what it does not say: qubes, prefixes, schedule, sizes. The state files
// and the example pillar are rendered from this table (deploy/qubes/main.ts).

/** A list of qubes, or each with its value. */
type Value = string | number | boolean | readonly string[] | Readonly<Record<string, string>>;

export interface Setting {
  readonly value: Value;
  /** One line for the example pillar. */
  readonly about: string;
}

export const SETTINGS: Readonly<Record<string, Setting>> = {
  mode: {
    value: 'rw',
    about: "rw: all is kept in the qubes' own /rw; template: in the templates, as disposables need it",
  },
  templates: { value: [], about: 'with mode template: the templates of the qubes below' },
  capture: { value: ['sys-dns', 'sys-vpn'], about: 'qubes that capture packets' },
  nftlog: {
    value: { 'sys-firewall': 'SYSFW', 'sys-net': 'SYSNET' },
    about: 'qubes whose nftables write to their kernel log, each with the prefix of its lines',
  },
  vault: { value: 'secrets-vault', about: 'where the nightly backup goes' },
  work: { value: 'work', about: 'where bundles are looked at' },
  dns_rate: {
    value: '100/second burst 500 packets',
    about: "DNS packets of one interface that are logged at most, in nft's words: 10/second",
  },
  new_rate: {
    value: '50/second burst 200 packets',
    about: 'new flows of one interface that are logged at most',
  },
  prune_days: { value: 2, about: 'days after which a source deletes savefiles that are in the vault' },
  max_bytes: { value: 2147483648, about: 'bytes of one bundle at most: no source fills the vault' },
  keep_days: { value: '', about: 'days after which the vault deletes bundles; empty: never' },
  keep_bytes: { value: '', about: 'bytes of all bundles beyond which it deletes the oldest; empty: never' },
  recipient: { value: '', about: 'age public key to which sources encrypt; empty: not encrypted' },
  at: { value: '03:35', about: 'when the backup runs' },
  snaplen: { value: 96, about: 'bytes kept of a packet' },
  ring: { value: 48, about: 'savefiles kept, one an hour' },
  skip_qube_ranges: { value: false, about: 'true: what goes to or comes from an address of a qube is not captured' },
  options: { value: '', about: 'further options of tsnetpcap, as in NETPCAP_OPTS: --keep-names --min-free 10%' },
};

/** Where Qubes OS has its qubes, disposables, DNS addresses, and all of these in IPv6 (qubes/config.py, vm/mix/net.py). */
export const QUBE_RANGES: readonly string[] = [
  '10.137.0.0/16',
  '10.138.0.0/16',
  '10.139.0.0/16',
  'fd09:24ef:4179::/48',
];
