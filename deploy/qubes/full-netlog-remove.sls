# Takes away what full-netlog.sls has put into dom0 and the qubes. Savefiles, logs and what is in the vault are left.
# The pillar must say what it said then.
#
#   sudo qubesctl state.show_sls qubes.monitor.full-netlog-remove
#   sudo qubesctl --show-output state.sls qubes.monitor.full-netlog-remove
#
# Rendered by `npm run build:sls` from src/netlog/state/ and deploy/: changes are made there.
{%- set id = grains['id'] %}
{%- set given = salt['pillar.get']('netlog', {}) or {} %}
{%- if given is not mapping %}{{ raise('pillar netlog: it has no settings by their names') }}{% endif %}
{%- set netlog = dict({
  'mode': 'rw',
  'templates': [],
  'capture': ['sys-dns', 'sys-vpn'],
  'nftlog': {'sys-firewall': 'SYSFW', 'sys-net': 'SYSNET'},
  'vault': 'secrets-vault',
  'work': 'work',
  'dns_rate': '100/second burst 500 packets',
  'new_rate': '50/second burst 200 packets',
  'prune_days': 2,
  'max_bytes': 2147483648,
  'keep_days': '',
  'keep_bytes': '',
  'recipient': '',
  'at': '03:35',
  'also_at': '',
  'final': false,
  'snaplen': 96,
  'ring': 48,
  'skip_qube_ranges': false,
  'options': '',
}, **given) %}

{#- what is not as it must be ends here, before anything is done; forms are of JSON #}
{%- set forms = {
  'mode': '"(rw|template)"',
  'templates': '\\[("(?!dom0")[A-Za-z][A-Za-z0-9_.-]{0,30}"(, "(?!dom0")[A-Za-z][A-Za-z0-9_.-]{0,30}")*)?\\]',
  'capture': '\\[("(?!dom0")[A-Za-z][A-Za-z0-9_.-]{0,30}"(, "(?!dom0")[A-Za-z][A-Za-z0-9_.-]{0,30}")*)?\\]',
  'nftlog': '\\{("(?!dom0")[A-Za-z][A-Za-z0-9_.-]{0,30}": "[A-Z][A-Z0-9_-]{0,30}"(, "(?!dom0")[A-Za-z][A-Za-z0-9_.-]{0,30}": "[A-Z][A-Z0-9_-]{0,30}")*)?\\}',
  'vault': '"(?!dom0")[A-Za-z][A-Za-z0-9_.-]{0,30}"',
  'work': '"(?!dom0")[A-Za-z][A-Za-z0-9_.-]{0,30}"',
  'dns_rate': '"[1-9][0-9]{0,8}/(second|minute|hour|day|week)( burst [1-9][0-9]{0,8} packets)?"',
  'new_rate': '"[1-9][0-9]{0,8}/(second|minute|hour|day|week)( burst [1-9][0-9]{0,8} packets)?"',
  'prune_days': '"?[0-9][0-9]{0,3}"?',
  'max_bytes': '"?[1-9][0-9]{0,14}"?',
  'keep_days': '""|"?[1-9][0-9]{0,3}"?',
  'keep_bytes': '""|"?[1-9][0-9]{0,14}"?',
  'recipient': '"(age1[0-9a-z]{20,4000})?"',
  'at': '"([01][0-9]|2[0-3]):[0-5][0-9]"',
  'also_at': '"[A-Za-z0-9 *:,./~-]*"',
  'final': 'true|false',
  'snaplen': '"?[1-9][0-9]{0,5}"?',
  'ring': '"?[1-9][0-9]{0,4}"?',
  'skip_qube_ranges': 'true|false',
  'options': '"([^"\\\\]|\\\\u00(3c|3e|26))*"',
} %}
{%- for name, value in netlog.items() %}
{%- if name not in forms %}{{ raise('pillar netlog: there is no setting ' ~ name) }}{% endif %}
{%- if not value | tojson is match('(' ~ forms[name] ~ ')\\Z') %}
{{- raise('pillar netlog: ' ~ name ~ ': ' ~ value ~ ' is not of the form ' ~ forms[name]) }}
{%- endif %}
{%- endfor %}
{%- if netlog.mode == 'template' and not netlog.templates %}
{{- raise('pillar netlog: templates: none is named, and the mode is template') }}
{%- endif %}

{#- who gets files, and which; in a template, what runs is decided by services of its qubes #}
{%- set qubes = {} %}
{%- if netlog.mode == 'template' %}
{%- for qube in netlog.templates %}{% do qubes.update({qube: ['template', 'source', 'capture', 'nftlog']}) %}{% endfor %}
{%- set activate = '/usr/lib/netlog/activate' %}
{%- else %}
{%- for qube in netlog.capture %}{% do qubes.setdefault(qube, ['source']).append('capture') %}{% endfor %}
{%- for qube in netlog.nftlog %}{% do qubes.setdefault(qube, ['source']).append('nftlog') %}{% endfor %}
{%- set activate = '/rw/config/rc.local.d/50-netlog.rc' %}
{%- endif %}
{%- do qubes.setdefault(netlog.work, []).append('work') %}

{#- where each set of files is put: in a qube at once, in dom0 where qubes-netlogs-deploy takes it from #}
{%- set roots = {} %}
{%- if id == 'dom0' %}
{%- do roots.update({'dom0': ''}) %}
{%- for roles in qubes.values() %}{% for role in roles %}{% do roots.update({role: '/usr/local/lib/qubes-netlogs/' ~ role}) %}{% endfor %}{% endfor %}
{%- else %}
{%- for role in qubes.get(id, []) %}{% do roots.update({role: ''}) %}{% endfor %}
{%- endif %}
{%- set release_file = '/rw/config/netlog/release' if netlog.mode == 'rw' else '/usr/lib/netlog/release' %}
{%- set skipped = '--exclude 10.137.0.0/16 --exclude 10.138.0.0/16 --exclude 10.139.0.0/16 --exclude fd09:24ef:4179::/48 ' if netlog.skip_qube_ranges else '' %}
{%- if id == 'dom0' %}

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
    - name: /usr/local/sbin/qubes-netlogs-deploy --remove {{ qube }}
    - onlyif: test -e /usr/local/lib/qubes-netlogs/qubes
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
    - name: /usr/local/lib/qubes-netlogs

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
{%- if 'dom0' in roots %}

netlog-dom0-qubes-netlogs-deploy:
  file.absent:
    - name: {{ roots.dom0 }}/usr/local/sbin/qubes-netlogs-deploy

netlog-dom0-netlogs.conf:
  file.absent:
    - name: {{ roots.dom0 }}/etc/netlogs.conf

netlog-dom0-netlogs.sh:
  file.absent:
    - name: {{ roots.dom0 }}/usr/local/lib/netlogs.sh

netlog-dom0-qubes-netlogs-backup:
  file.absent:
    - name: {{ roots.dom0 }}/usr/local/sbin/qubes-netlogs-backup

netlog-dom0-pull-netlogs-to-work:
  file.absent:
    - name: {{ roots.dom0 }}/usr/local/sbin/pull-netlogs-to-work

netlog-dom0-qubes-netlogs-backup.service:
  file.absent:
    - name: {{ roots.dom0 }}/etc/systemd/system/qubes-netlogs-backup.service

netlog-dom0-qubes-netlogs-backup.timer:
  file.absent:
    - name: {{ roots.dom0 }}/etc/systemd/system/qubes-netlogs-backup.timer

netlog-dom0-qubes-netlogs-final.service:
  file.absent:
    - name: {{ roots.dom0 }}/etc/systemd/system/qubes-netlogs-final.service

netlog-dom0-netlogs-health:
  file.absent:
    - name: {{ roots.dom0 }}/usr/local/sbin/netlogs-health
{%- endif %}
{%- if id != 'dom0' %}
{%- if 'template' in roots %}
{%- if netlog.mode == 'template' %}

netlog-template-activate:
  file.absent:
    - name: {{ roots.template }}/usr/lib/netlog/activate
{%- endif %}
{%- endif %}
{%- if 'source' in roots %}

netlog-source-netlog.Export:
  file.absent:
    - name: {{ roots.source }}{{ '/usr/local/etc/qubes-rpc/netlog.Export' if netlog.mode == 'rw' else '/etc/qubes-rpc/netlog.Export' }}

netlog-source-netlog.Release:
  file.absent:
    - name: {{ roots.source }}{{ '/usr/local/etc/qubes-rpc/netlog.Release' if netlog.mode == 'rw' else '/etc/qubes-rpc/netlog.Release' }}

netlog-source-netlog.Health:
  file.absent:
    - name: {{ roots.source }}{{ '/usr/local/etc/qubes-rpc/netlog.Health' if netlog.mode == 'rw' else '/etc/qubes-rpc/netlog.Health' }}
{%- if netlog.mode == 'rw' %}

netlog-source-50-netlog.rc:
  file.absent:
    - name: {{ roots.source }}/rw/config/rc.local.d/50-netlog.rc
{%- endif %}
{%- endif %}
{%- if 'capture' in roots %}

netlog-capture-netlog-pcaps:
  file.absent:
    - name: {{ roots.capture }}{{ '/usr/local/bin/netlog-pcaps' if netlog.mode == 'rw' else '/usr/bin/netlog-pcaps' }}

netlog-capture-netpcap.default:
  file.absent:
    - name: {{ roots.capture }}{{ '/rw/config/netlog/netpcap.default' if netlog.mode == 'rw' else '/usr/lib/netlog/netpcap.default' }}
{%- if netlog.mode == 'rw' %}

netlog-capture-netpcap.service:
  file.absent:
    - name: {{ roots.capture }}/rw/config/netlog/netpcap.service

netlog-capture-50-qubes.conf:
  file.absent:
    - name: {{ roots.capture }}/rw/config/netlog/netpcap.service.d/50-qubes.conf

netlog-capture-netpcap.conf:
  file.absent:
    - name: {{ roots.capture }}/rw/config/netlog/sysusers.d/netpcap.conf

netlog-capture-50_netpcap.conf:
  file.absent:
    - name: {{ roots.capture }}/rw/config/qubes-bind-dirs.d/50_netpcap.conf

netlog-capture-tsnetpcap:
  file.absent:
    - name: {{ roots.capture }}/usr/local/bin/tsnetpcap
{%- endif %}
{%- if netlog.mode == 'template' %}

netlog-capture-50-qubes.conf:
  file.absent:
    - name: {{ roots.capture }}/etc/systemd/system/netpcap.service.d/50-qubes.conf
{%- endif %}
{%- endif %}
{%- if 'nftlog' in roots %}

netlog-nftlog-netlog-lines:
  file.absent:
    - name: {{ roots.nftlog }}{{ '/usr/local/bin/netlog-lines' if netlog.mode == 'rw' else '/usr/bin/netlog-lines' }}

netlog-nftlog-50-netlog:
  file.absent:
    - name: {{ roots.nftlog }}{{ '/rw/config/netlog/50-netlog' if netlog.mode == 'rw' else '/etc/qubes/qubes-firewall.d/50-netlog' }}

netlog-nftlog-netlog-spool:
  file.absent:
    - name: {{ roots.nftlog }}{{ '/usr/local/bin/netlog-spool' if netlog.mode == 'rw' else '/usr/bin/netlog-spool' }}

netlog-nftlog-netlog-spool.service:
  file.absent:
    - name: {{ roots.nftlog }}{{ '/rw/config/netlog/netlog-spool.service' if netlog.mode == 'rw' else '/usr/lib/systemd/system/netlog-spool.service' }}

netlog-nftlog-50_netlog.conf:
  file.absent:
    - name: {{ roots.nftlog }}{{ '/rw/config/qubes-bind-dirs.d/50_netlog.conf' if netlog.mode == 'rw' else '/usr/lib/qubes-bind-dirs.d/50_netlog.conf' }}
{%- endif %}
{%- if 'work' in roots %}

netlog-work-open-netlogs.sh:
  file.absent:
    - name: {{ roots.work }}/home/user/bin/open-netlogs.sh
{%- endif %}
{%- if 'source' in roots %}

netlog-/rw/config/netlog:
  file.absent:
    - name: /rw/config/netlog

netlog-/usr/local/lib/tsnetpcap:
  file.absent:
    - name: /usr/local/lib/tsnetpcap

netlog-/usr/lib/netlog:
  file.absent:
    - name: /usr/lib/netlog
{%- endif %}
{%- endif %}
