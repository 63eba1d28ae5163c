// The files of the netlog system: which of deploy/ goes where, in which qubes, with which mode. full-netlog.sls holds their
// texts (sections.ts). Owner is root, and in the work qube its user.

/**
 * Who gets a file: dom0; `source` is every qube that captures or logs, and `template` templates (both are brought there with
 * what makes the rest take effect); `capture`, `nftlog` and `work` are the qubes that the pillar names so.
 */
export type Role = 'dom0' | 'source' | 'template' | 'capture' | 'nftlog' | 'work';

export interface DeployedFile {
  /** Below deploy/. */
  readonly from: string;
  readonly role: Role;
  /** Where it is put with mode `rw`, for dom0 and work with either; without it not at all. */
  readonly rw?: string;
  /** Where it is put with mode `template`. */
  readonly template?: string;
  readonly mode: '0644' | '0755';
  /** Texts that stand in it exactly once, and what of the pillar takes their place, in Jinja. */
  readonly fills?: Readonly<Record<string, string>>;
}

const EXEC_START = { '--snaplen 96 --ring 48': '--snaplen {{ netlog.snaplen }} --ring {{ netlog.ring }}' };
const OPTIONS = { 'NETPCAP_OPTS=""': 'NETPCAP_OPTS="{{ skipped }}{{ netlog.options }}"' };
const RATES = {
  '100/second burst 500 packets': '{{ netlog.dns_rate }}',
  '50/second burst 200 packets': '{{ netlog.new_rate }}',
};
const CONF = {
  'VAULT=secrets-vault': 'VAULT={{ netlog.vault }}',
  'WORK=work': 'WORK={{ netlog.work }}',
  'PCAPS=sys-dns sys-vpn': "PCAPS={{ netlog.capture | join(' ') }}",
  'NFT=sys-firewall sys-net': "NFT={{ netlog.nftlog | join(' ') }}",
  'MAX_BYTES=2147483648': 'MAX_BYTES={{ netlog.max_bytes }}',
  'PRUNE_DAYS=2': 'PRUNE_DAYS={{ netlog.prune_days }}',
  'KEEP_DAYS=': 'KEEP_DAYS={{ netlog.keep_days }}',
  'KEEP_BYTES=': 'KEEP_BYTES={{ netlog.keep_bytes }}',
  'RECIPIENT=': 'RECIPIENT={{ netlog.recipient }}',
};
const RC = '/rw/config/rc.local.d/50-netlog.rc';
const DROP_IN = 'netpcap.service.d/50-qubes.conf';

/** What has the files take effect in a qube, and in a template. */
export const ACTIVATE: Readonly<Record<'rw' | 'template', string>> = { rw: RC, template: '/usr/lib/netlog/activate' };

export const FILES: readonly DeployedFile[] = [
  dom0('qubes-netlogs-deploy', '/usr/local/sbin/qubes-netlogs-deploy', '0755'),
  dom0('netlogs.conf', '/etc/netlogs.conf', '0644', CONF),
  dom0('qubes-netlogs-backup', '/usr/local/sbin/qubes-netlogs-backup', '0755'),
  dom0('qubes-netlogs-backup.service', '/etc/systemd/system/qubes-netlogs-backup.service', '0644'),
  dom0('qubes-netlogs-backup.timer', '/etc/systemd/system/qubes-netlogs-backup.timer', '0644', {
    '03:35:00': '{{ netlog.at }}:00',
  }),

  { from: 'qubes/files/source/50-netlog.rc', role: 'source', rw: RC, mode: '0755' },
  { from: 'qubes/files/template/activate', role: 'template', template: ACTIVATE.template, mode: '0755' },

  service('netlog.Export'),
  service('netlog.Release'),
  {
    from: 'qubes/files/capture/netlog-pcaps',
    role: 'capture',
    rw: '/usr/local/bin/netlog-pcaps',
    template: '/usr/bin/netlog-pcaps',
    mode: '0755',
  },

  {
    from: 'systemd/netpcap.service',
    role: 'capture',
    rw: '/rw/config/netlog/netpcap.service',
    mode: '0644',
  },
  {
    from: 'qubes/files/capture/netpcap-rw.conf',
    role: 'capture',
    rw: `/rw/config/netlog/${DROP_IN}`,
    mode: '0644',
    fills: EXEC_START,
  },
  {
    from: 'qubes/files/capture/netpcap-template.conf',
    role: 'capture',
    template: `/etc/systemd/system/${DROP_IN}`,
    mode: '0644',
    fills: EXEC_START,
  },
  {
    from: 'qubes/files/capture/netpcap.default',
    role: 'capture',
    rw: '/rw/config/netlog/netpcap.default',
    template: '/usr/lib/netlog/netpcap.default',
    mode: '0644',
    fills: OPTIONS,
  },
  {
    from: 'systemd/sysusers.conf',
    role: 'capture',
    rw: '/rw/config/netlog/sysusers.d/netpcap.conf',
    mode: '0644',
  },
  {
    from: 'qubes/50_netpcap.conf',
    role: 'capture',
    rw: '/rw/config/qubes-bind-dirs.d/50_netpcap.conf',
    mode: '0644',
  },
  { from: 'qubes/files/capture/tsnetpcap', role: 'capture', rw: '/usr/local/bin/tsnetpcap', mode: '0755' },

  {
    from: 'qubes/files/nftlog/netlog-lines',
    role: 'nftlog',
    rw: '/usr/local/bin/netlog-lines',
    template: '/usr/bin/netlog-lines',
    mode: '0755',
  },
  {
    from: 'qubes/files/nftlog/50-netlog',
    role: 'nftlog',
    rw: '/rw/config/netlog/50-netlog',
    template: '/etc/qubes/qubes-firewall.d/50-netlog',
    mode: '0755',
    fills: RATES,
  },
  {
    from: 'qubes/files/nftlog/netlog-spool',
    role: 'nftlog',
    rw: '/usr/local/bin/netlog-spool',
    template: '/usr/bin/netlog-spool',
    mode: '0755',
  },
  {
    from: 'qubes/files/nftlog/netlog-spool.service',
    role: 'nftlog',
    rw: '/rw/config/netlog/netlog-spool.service',
    template: '/usr/lib/systemd/system/netlog-spool.service',
    mode: '0644',
  },
  {
    from: 'qubes/files/nftlog/50_netlog.conf',
    role: 'nftlog',
    rw: '/rw/config/qubes-bind-dirs.d/50_netlog.conf',
    template: '/usr/lib/qubes-bind-dirs.d/50_netlog.conf',
    mode: '0644',
  },
];

function dom0(name: string, rw: string, mode: DeployedFile['mode'], fills?: DeployedFile['fills']): DeployedFile {
  return { from: `qubes/files/dom0/${name}`, role: 'dom0', rw, mode, ...(fills && { fills }) };
}

/** What dom0 runs in every qube that captures or logs. */
function service(name: string): DeployedFile {
  return {
    from: `qubes/files/source/${name}`,
    role: 'source',
    rw: `/usr/local/etc/qubes-rpc/${name}`,
    template: `/etc/qubes-rpc/${name}`,
    mode: '0755',
  };
}
