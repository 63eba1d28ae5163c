// Renders full-netlog-remove.sls, which undoes full-netlog.sls (install.ts). deploy/qubes/main.ts writes it down.

import type { Role } from './files.ts';
import { absent, absentFile, DEPLOY, head, PAYLOAD, QUBE_ROLES, section } from './sections.ts';

/** Directories of ours alone in qubes, of either form. */
const OWN = ['/rw/config/netlog', '/usr/local/lib/tsnetpcap', '/usr/lib/netlog'];

/** The state that takes all of it away again, but for logs and backups. */
export function removeState(): string {
  const gone = (role: Role): string => section(role, absentFile);
  return [
    head('full-netlog-remove', [
      '# Takes away what full-netlog.sls has put into dom0 and the qubes. Savefiles, logs and what is in the vault are left.',
      '# The pillar must say what it said then.',
    ]),
    `{%- if id == 'dom0' %}

netlog-timer:
  service.dead:
    - name: qubes-netlogs-backup.timer
    - enable: false

netlog-final:
  service.dead:
    - name: qubes-netlogs-final.service
    - enable: false
{%- for qube in qubes %}

netlog-remove-{{ qube }}:
  cmd.run:
    - name: ${DEPLOY} --remove {{ qube }}
    - onlyif: test -e ${PAYLOAD}/qubes
{%- endfor %}
{%- for qube in netlog.capture %}

netlog-service-netpcap-{{ qube }}:
  qvm.service:
    - name: {{ qube }}
    - default:
      - netpcap
{%- endfor %}
{%- for qube in netlog.nftlog %}

netlog-service-netlog-{{ qube }}:
  qvm.service:
    - name: {{ qube }}
    - default:
      - netlog

netlog-prefix-{{ qube }}:
  qvm.features:
    - name: {{ qube }}
    - default:
      - vm-config.netlog-prefix
{%- endfor %}

netlog-payload:
  file.absent:
    - name: ${PAYLOAD}

netlog-last-pulls:
  file.absent:
    - name: /var/lib/netlogs

netlog-last-run:
  file.absent:
    - name: /var/lib/systemd/timers/stamp-qubes-netlogs-backup.timer
{%- elif 'source' in roots %}

netlog-activate:
  cmd.run:
    - name: {{ activate }} --remove
    - onlyif: test -e {{ activate }}
{%- endif %}
`,
    gone('dom0'),
    "{%- if id != 'dom0' %}\n",
    ...QUBE_ROLES.map(gone),
    "{%- if 'source' in roots %}\n",
    ...OWN.map((directory) => absent(`netlog-${directory}`, directory)),
    '{%- endif %}\n{%- endif %}\n',
  ].join('');
}
