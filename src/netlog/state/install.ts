// Renders full-netlog.sls. deploy/qubes/main.ts writes it down.

import { createHash } from 'node:crypto';
import { FILES, type Role } from './files.ts';
import { DEPLOY, head, managedFile, PAYLOAD, QUBE_ROLES, type Read, section } from './sections.ts';

const FILES_URL = 'salt://qubes/monitor/files';

/** Fails with files of another release: they will be replaced, and with test=True have not been. */
const RELEASED = 'grep -qxF {{ release }} {{ roots.source ~ release_file }}';

/** The program: as it is for app qubes, as packages for templates. */
const PROGRAM = `{%- if 'capture' in roots %}
{%- if netlog.mode == 'rw' %}

netlog-capture-program:
  file.recurse:
    - name: {{ roots.capture }}/usr/local/lib/tsnetpcap
    - source: ${FILES_URL}/tsnetpcap
    - user: root
    - group: root
    - file_mode: '0755'
    - dir_mode: '0755'
{%- else %}
{%- for kind in ['deb', 'rpm'] %}

netlog-capture-{{ kind }}:
  file.managed:
    - name: {{ roots.capture }}/usr/lib/netlog/tsnetpcap.{{ kind }}
    - source: ${FILES_URL}/tsnetpcap.{{ kind }}
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: true
{%- endfor %}
{%- endif %}
{%- endif %}
`;

/** systemd would only warn of a line that it does not understand. */
const CALENDAR = `{%- if id == 'dom0' and netlog.also_at %}

netlog-also_at:
  cmd.run:
    - name: systemd-analyze calendar '{{ netlog.also_at }}'
    - unless: systemd-analyze calendar '{{ netlog.also_at }}'
    - failhard: true
{%- endif %}
`;

/** The state that puts the whole system where it belongs: in dom0, and from there in the qubes; or in the qube it is for. */
export function installState(read: Read): string {
  const files = (role: Role): string => section(role, managedFile(read));
  return [
    head('full-netlog', [
      '# Packet captures in sys-dns and sys-vpn, packet logs in sys-firewall and sys-net, and a nightly backup of both to a vault.',
      '# For dom0, which brings the qubes their files itself. It works in a qube as well:',
      '#   sudo qubesctl --skip-dom0 --targets=sys-dns,sys-vpn,sys-firewall,sys-net,work state.sls qubes.monitor.full-netlog',
    ]),
    CALENDAR,
    files('dom0'),
    ...QUBE_ROLES.map((role) => files(role)),
    PROGRAM,
    release(read),
    `{%- if id == 'dom0' %}

netlog-qubes:
  file.managed:
    - name: ${PAYLOAD}/qubes
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: true
    - contents: |
        {%- for qube, roles in qubes.items() %}
        {{ qube }} {{ 'user -' if roles == ['work'] else 'root ' ~ activate }} {{ roles | join(' ') }}
        {%- endfor %}
{%- for qube in netlog.capture %}

netlog-service-netpcap-{{ qube }}:
  qvm.service:
    - name: {{ qube }}
    - enable:
      - netpcap
{%- endfor %}
{%- for qube, prefix in netlog.nftlog.items() %}

netlog-service-netlog-{{ qube }}:
  qvm.service:
    - name: {{ qube }}
    - enable:
      - netlog

netlog-prefix-{{ qube }}:
  qvm.features:
    - name: {{ qube }}
    - set:
      - vm-config.netlog-prefix: '{{ prefix }}'
{%- endfor %}
{%- for qube, roles in qubes.items() %}

netlog-deploy-{{ qube }}:
  cmd.run:
    - name: ${DEPLOY} {{ qube }}
    - unless:
      {%- if 'source' in roles %}
      - ${RELEASED}
      {%- endif %}
      {%- if 'work' in roles %}
${unchanged('work', read)}
      {%- endif %}
      - ${DEPLOY} --check {{ qube }}
{%- endfor %}

netlog-timer:
  service.running:
    - name: qubes-netlogs-backup.timer
    - enable: true
    - watch:
      - file: netlog-dom0-qubes-netlogs-backup.timer

netlog-final:
  {{ 'service.running' if netlog.final else 'service.dead' }}:
    - name: qubes-netlogs-final.service
    - enable: {{ 'true' if netlog.final else 'false' }}
{%- elif 'source' in roots %}

netlog-activate:
  cmd.run:
    - name: {{ activate }} --wait
    - unless:
      - ${RELEASED}
      - {{ activate }} --check
{%- endif %}
`,
  ].join('');
}

/** Commands that fail where dom0's payload has other texts than these, which must be without anything from the pillar. */
function unchanged(role: Role, read: Read): string {
  const lines = FILES.filter((file) => file.role === role).map(({ from, rw }) => {
    const hash = createHash('sha256').update(read(from)).digest('hex');
    return `      - echo '${hash}  ${PAYLOAD}/${role}${rw}' | sha256sum --check --status`;
  });
  return lines.join('\n');
}

/** What tells one set of files, and of settings, from another. */
function release(read: Read): string {
  const hash = createHash('sha256');
  for (const file of FILES) hash.update(JSON.stringify([file, read(file.from)]));
  return `{%- if 'source' in roots %}
{%- set release = ('${hash.digest('hex')}' ~ netlog) | sha256 %}

netlog-source-release:
  file.managed:
    - name: {{ roots.source ~ release_file }}
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: true
    - contents: '{{ release }}'
{%- endif %}
`;
}
