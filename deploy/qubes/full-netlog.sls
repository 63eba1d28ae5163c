# Packet captures in sys-dns and sys-vpn, packet logs in sys-firewall and sys-net, and a nightly backup of both to a vault.
# For dom0, which brings the qubes their files itself. It works in a qube as well:
#   sudo qubesctl --skip-dom0 --targets=sys-dns,sys-vpn,sys-firewall,sys-net,work state.sls qubes.monitor.full-netlog
#
#   sudo qubesctl state.show_sls qubes.monitor.full-netlog
#   sudo qubesctl --show-output state.sls qubes.monitor.full-netlog
#
# Rendered by `npm run build:sls` from src/netlog/state/ and deploy/: changes are made there.
{%- set id = grains['id'] %}
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
  'snaplen': 96,
  'ring': 48,
  'skip_qube_ranges': false,
  'options': '',
}, **salt['pillar.get']('netlog', {})) %}

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
{%- if 'dom0' in roots %}

netlog-dom0-qubes-netlogs-deploy:
  file.managed:
    - name: {{ roots.dom0 }}/usr/local/sbin/qubes-netlogs-deploy
    - user: root
    - group: root
    - mode: '0755'
    - makedirs: true
    - contents: |
        {%- raw %}
        #!/bin/bash
        # Brings the files of the netlog system, which full-netlog.sls has put below $PAYLOAD, into a qube, and has them take effect
        # there. That state calls it; what a qube says is thrown away here, only its exit codes count.
        #
        #   qubes-netlogs-deploy QUBE            brings the files, restarts what has changed
        #   qubes-netlogs-deploy --check QUBE    exit code 0: there is nothing to do
        #   qubes-netlogs-deploy --remove QUBE   takes the files away again; logs are left
        #
        # A qube that is halted is started, and shut down in the end. $PAYLOAD/qubes has a line for each qube: its name, its user who
        # owns the files, the program there that has them take effect ('-': none), and the directories of $PAYLOAD that it gets.
        set -uo pipefail
        PAYLOAD=/usr/local/lib/qubes-netlogs

        fail() {
          echo "qubes-netlogs-deploy: $*" >&2
          exit 1
        }

        action=bring
        case ${1-} in
          --check | --remove)
            action=${1#--}
            shift
            ;;
        esac
        if [ $# -ne 1 ] || [ "${1#-}" != "$1" ]; then
          echo 'usage: qubes-netlogs-deploy [--check | --remove] QUBE' >&2
          exit 2
        fi
        qube=$1
        read -r user activate roles < <(sed -n "s/^${qube//./\\.} //p" "$PAYLOAD/qubes") || fail "$qube is not in $PAYLOAD/qubes"
        read -ra roles <<< "$roles"

        # each ARGUMENT...: find's output for the files of this qube, which are named from / on as ./usr/...
        each() {
          local role
          for role in "${roles[@]}"; do
            (cd "$PAYLOAD/$role" && find . -type f "$@") || return
          done
        }

        # inside ARGV...: in the qube, with stdin; VMExec, so that no shell there reads what is not meant for it.
        inside() {
          timeout 600 qvm-run --no-gui -q -p -u "$user" "$qube" -- "$@" > /dev/null 2>&1
        }

        # activated ARGUMENT: nothing to do without a program for it.
        activated() {
          [ "$activate" = - ] || inside "$activate" "$1" < /dev/null
        }

        # By sha256sum and stat in the qube: the lines of the one on stdin, of the other as $1.
        # shellcheck disable=SC2016
        check() {
          each -exec sha256sum {} + | inside sh -c 'cd / && sums=$(cat) && echo "$sums" | sha256sum --check --strict --status - &&
            [ "$(echo "$sums" | cut -c 67- | xargs stat -c "%a %n")" = "$1" ] && { [ "$2" = - ] || exec "$2" --check; }' \
            sh "$(each -exec stat -c '%a %n' {} +)" "$activate"
        }

        # Files only: a directory of the archive would replace one that is a link there, as /usr/local is.
        bring() {
          local role
          for role in "${roles[@]}"; do
            (cd "$PAYLOAD/$role" && find . -type f -print0 | tar --create --owner=0 --group=0 --null --files-from=-) |
              inside sh -c 'umask 022; exec tar --extract --preserve-permissions --no-same-owner --directory=/' ||
              fail "$qube: the files could not be brought there"
          done
          activated --wait || fail "$qube: the files are there, but not all of it runs: see systemctl --failed in $qube"
        }

        # shellcheck disable=SC2016
        remove() {
          activated --remove
          each -print0 |
            inside sh -c 'cd / && xargs -0 rm -f -- && rm -rf /rw/config/netlog /usr/local/lib/tsnetpcap /usr/lib/netlog &&
              { rmdir --ignore-fail-on-non-empty /etc/systemd/system/netpcap.service.d 2> /dev/null || :; }' ||
            fail "$qube: the files could not be removed"
        }

        qvm-check --quiet "$qube" > /dev/null 2>&1 || fail "there is no qube $qube"
        case $activate$(qvm-ls --raw-data --fields CLASS "$qube" 2> /dev/null) in
          /rw/*DispVM) fail "$qube is a disposable, and keeps nothing: the pillar's mode must be template" ;;
        esac
        qvm-check --quiet --running "$qube" > /dev/null 2>&1 ||
          trap 'qvm-shutdown --wait "$qube" > /dev/null 2>&1' EXIT
        case $action in
          check) check ;;
          remove) remove ;;
          bring) bring ;;
        esac
        {%- endraw %}

netlog-dom0-netlogs.conf:
  file.managed:
    - name: {{ roots.dom0 }}/etc/netlogs.conf
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: true
    - contents: |
        # /etc/netlogs.conf: what qubes-netlogs-backup, pull-netlogs-to-work and netlogs-health go by. Read, never executed: no
        # quotes. Written by full-netlog.sls; its pillar says what is to be otherwise.
        VAULT={{ netlog.vault }}
        WORK={{ netlog.work }}
        PCAPS={{ netlog.capture | join(' ') }}
        NFT={{ netlog.nftlog | join(' ') }}
        MAX_BYTES={{ netlog.max_bytes }}
        PRUNE_DAYS={{ netlog.prune_days }}
        KEEP_DAYS={{ netlog.keep_days }}
        KEEP_BYTES={{ netlog.keep_bytes }}
        RECIPIENT={{ netlog.recipient }}

netlog-dom0-qubes-netlogs-backup:
  file.managed:
    - name: {{ roots.dom0 }}/usr/local/sbin/qubes-netlogs-backup
    - user: root
    - group: root
    - mode: '0755'
    - makedirs: true
    - contents: |
        {%- raw %}
        #!/bin/bash
        # qubes-netlogs-backup: takes the savefiles and nft lines of the net qubes into the vault. dom0 only joins pipes: names,
        # dates and bounds are its own, it looks at exit codes, and nothing of what a qube sends is parsed, printed or kept here.
        #
        #   from a source, as root:  netlog.Export pcaps|nft ID SINCE UNTIL [RECIPIENT]   the bundle, bytes
        #                            netlog.Export facts ID                               KEY=VALUE lines for the manifest
        #                            netlog.Release ID DAYS                               ID is safe: prune what is older
        #   in the vault, as user:   ~/NetLogs/SOURCE/DATE/.bundle.part, .facts.part -> {pcaps-DATE.tgz|nft-DATE.log.gz}, manifest.json
        #
        # Exit code 1 when anything failed, with a line on stderr that names the qube. Settings: /etc/netlogs.conf. The protocol in
        # full: deploy/qubes/PROTOCOL.md.
        #
        # What looks unreachable is called by name, in the vault or at the end:
        # shellcheck disable=SC2317
        set -uo pipefail
        umask 077

        readonly CONF=/etc/netlogs.conf STATE=/var/lib/netlogs LOCK=/run/lock/netlogs
        readonly LOCK_SECONDS=7200 VAULT_SECONDS=600 FACTS_SECONDS=60 FACTS_BYTES=65536 RELEASE_SECONDS=300

        declare -A conf=(
          [VAULT]=secrets-vault [PCAPS]='sys-dns sys-vpn' [NFT]='sys-firewall sys-net' [MAX_BYTES]=2147483648 [TIMEOUT]=1200
          [PRUNE_DAYS]=2 [KEEP_DAYS]='' [KEEP_BYTES]='' [RECIPIENT]=''
        )
        failed=0

        say() { printf '%s\n' "$*" >&2; }
        fail() {
          say "$@"
          failed=1
        }
        die() {
          fail "$@"
          exit 1
        }

        # Not sourced: a line is taken for what it says, and never run.
        read_conf() {
          local line key value form
          local qube='[A-Za-z][A-Za-z0-9_.-]*'
          [[ -e $CONF ]] || return 0
          while IFS= read -r line || [[ -n $line ]]; do
            [[ $line == *=* ]] || continue
            key=${line%%=*} value=${line#*=}
            [[ $key =~ ^[A-Z_]+$ && -v conf[$key] ]] || continue # it is for another program
            case $key in
              VAULT) form="$qube" ;;
              PCAPS | NFT) form="($qube( $qube)*)?" ;;
              MAX_BYTES | TIMEOUT | PRUNE_DAYS) form='[0-9]{1,15}' ;;
              KEEP_DAYS | KEEP_BYTES) form='([0-9]{1,15})?' ;;
              RECIPIENT) form='(age1[0-9a-z]{20,4000})?' ;;
            esac
            [[ $value =~ ^${form}$ ]] || die "$CONF: $key is not of the form $form"
            conf[$key]=$value
          done < "$CONF"
        }

        # from_source SECONDS QUBE PROGRAM ARGUMENT...: never starts a qube. The template's program is used where a qube has none.
        # shellcheck disable=SC2016
        from_source() {
          local find='d=/usr/local/etc/qubes-rpc; [ -x "$d/$0" ] || d=/etc/qubes-rpc; exec "$d/$0" "$@"'
          timeout -k 10 "$1" qvm-run --no-gui -q -n -p -u root "$2" -- sh -c "$find" "${@:3}" < /dev/null 2> /dev/null
        }

        # in_vault SECONDS FUNCTION ARGUMENT...: runs one of the functions below there; its stdin is the caller's.
        # shellcheck disable=SC2016
        in_vault() {
          timeout -k 10 "$1" qvm-run --no-gui -q -p "${conf[VAULT]}" -- bash -c "set -u; umask 077; $(declare -f "$2"); "'"$0" "$@"' \
            "${@:2}" > /dev/null 2>&1
        }

        # ---- run in the vault -------------------------------------------------------------------------------------------------

        # vault_prepare DIRECTORY: also takes away what an earlier run has left behind.
        vault_prepare() {
          mkdir -p "NetLogs/$1" && chmod 0700 NetLogs "NetLogs/$1" && rm -f "NetLogs/${1%/*}"/*/.*.part
        }

        # vault_receive PATH MAX START: exit code 3 when more came than MAX, 4 when nothing did, 5 when its first bytes are others
        # than START, in octal.
        vault_receive() {
          cat > "NetLogs/$1" || return 1
          local size
          size=$(stat -c %s "NetLogs/$1") || return 1
          ((size <= $2)) || return 3
          ((size > 0)) || return 4
          [[ $(head -c 2 "NetLogs/$1" | od -An -to1) == *"$3" ]] || return 5
        }

        # vault_publish DIRECTORY BASE EXTENSION MANIFEST: manifest and names, once all is there. No name is written twice.
        vault_publish() {
          cd "NetLogs/$1" || return 1
          local n='' number=1 sum bytes facts
          while [[ -e $2$n$3 || -e manifest$n.json ]]; do
            number=$((number + 1)) n=-$number
          done
          sum=$(sha256sum < .bundle.part) && bytes=$(stat -c %s .bundle.part) || return 1
          # What the source says of itself: only lines of this form, so that it can't break the manifest.
          facts=$(LC_ALL=C sed -nE 's/^([a-z][a-z0-9_]{0,40})=([A-Za-z0-9_.:+/-]{0,100})$/    "\1": "\2",/p' .facts.part |
            LC_ALL=C sort -t: -u -k1,1 | head -n 200 | LC_ALL=C sed '$s/,$//') || return 1
          printf '{\n%s,\n  "file": "%s", "bytes": %s, "sha256": "%s",\n  "facts": {\n%s\n  }\n}\n' \
            "$4" "$2$n$3" "$bytes" "${sum%% *}" "$facts" > .manifest.part || return 1
          sync .bundle.part .manifest.part && mv -nT .bundle.part "$2$n$3" && mv -nT .manifest.part "manifest$n.json" || return 1
          rm -f .facts.part
          sync .
        }

        # vault_discard DIRECTORY
        vault_discard() {
          rm -f "NetLogs/$1"/.*.part
          rmdir "NetLogs/$1" 2> /dev/null
          true
        }

        # vault_retain TODAY OLDEST BYTES: removes days before OLDEST, then the oldest until no more than BYTES are left, but never
        # TODAY's. An empty bound is none.
        vault_retain() {
          local path day total size days=()
          cd NetLogs 2> /dev/null || return 0
          shopt -s nullglob
          mapfile -t days < <(printf '%s\n' */[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]/ | sort -t/ -k2,2)
          total=$(du -sb . | cut -f 1) || return 1
          for path in "${days[@]}"; do
            path=${path%/} day=${path#*/}
            [[ -n $path && $day != "$1" && ! -L $path ]] || continue
            if [[ -n $2 && $day < $2 ]] || { [[ -n $3 ]] && ((total > $3)); }; then
              size=$(du -sb "$path" | cut -f 1) && rm -rf "$path" || return 1
              total=$((total - size))
            fi
          done
        }

        # ---- dom0 -------------------------------------------------------------------------------------------------------------

        utc() { date -u -d "@$1" +%Y-%m-%dT%H:%M:%SZ; }

        # backup QUBE KIND BASE EXTENSION: one source.
        backup() {
          local qube=$1 kind=$2 base=$3 extension=$4 dir=$1/$DATE last='' since status manifest encrypted=false start='037 213'
          local arguments=()
          qvm-check -q "$qube" > /dev/null 2>&1 || { fail "$qube: not backed up: there is no such qube"; return; }
          if ! qvm-check -q --running "$qube" > /dev/null 2>&1; then
            say "$qube: not running, left for the next run"
            return
          fi
          since=$(date -d 'yesterday 00:00' +%s)
          [[ ! -e $STATE/$qube ]] || read -r last < "$STATE/$qube"
          [[ $last =~ ^[0-9]{1,12}$ ]] || last=
          [[ -z $last ]] || ((last >= since)) || since=$last
          if [[ -n ${conf[RECIPIENT]} ]]; then
            arguments+=("${conf[RECIPIENT]}") extension+=.age encrypted=true start='141 147'
          fi

          in_vault "$VAULT_SECONDS" vault_prepare "$dir" < /dev/null ||
            { fail "$qube: not backed up: ${conf[VAULT]} has no place for it (exit code $?)"; return; }
          from_source "${conf[TIMEOUT]}" "$qube" netlog.Export "$kind" "$ID" "$since" "$NOW" "${arguments[@]}" |
            head -c "$((conf[MAX_BYTES] + 1))" |
            in_vault "$((conf[TIMEOUT] + VAULT_SECONDS))" vault_receive "$dir/.bundle.part" "${conf[MAX_BYTES]}" "$start"
          status=("${PIPESTATUS[@]}")
          if [[ ${status[*]} == '0 0 0' ]]; then
            from_source "$FACTS_SECONDS" "$qube" netlog.Export facts "$ID" | head -c "$((FACTS_BYTES + 1))" |
              in_vault "$VAULT_SECONDS" vault_receive "$dir/.facts.part" "$FACTS_BYTES" ''
            status=("${PIPESTATUS[@]}")
          fi
          if [[ ${status[*]} != '0 0 0' ]]; then
            fail "$qube: not backed up: $(reason "${status[@]}")"
            in_vault "$VAULT_SECONDS" vault_discard "$dir" < /dev/null
            return
          fi

          printf -v manifest '  "version": 1, "source": "%s", "kind": "%s", "date": "%s", "id": "%s",\n' "$qube" "$kind" "$DATE" "$ID"
          printf -v manifest '%s  "since": "%s", "until": "%s", "last_good": %s,\n  "encrypted": %s' "$manifest" "$(utc "$since")" \
            "$(utc "$NOW")" "${last:+\"$(utc "$last")\"}" "$encrypted"
          manifest=${manifest/'"last_good": ,'/'"last_good": null,'}
          in_vault "$VAULT_SECONDS" vault_publish "$dir" "$base" "$extension" "$manifest" < /dev/null ||
            { fail "$qube: not backed up: ${conf[VAULT]} could not keep it (exit code $?)"; return; }
          say "$qube: backed up"

          { printf '%s\n' "$NOW" > "$STATE/.$qube" && mv "$STATE/.$qube" "$STATE/$qube"; } ||
            fail "$qube: backed up, but $STATE/$qube can't be written"
          from_source "$RELEASE_SECONDS" "$qube" netlog.Release "$ID" "${conf[PRUNE_DAYS]}" > /dev/null ||
            fail "$qube: backed up, but netlog.Release ended with exit code $?"
        }

        # reason SOURCE HEAD VAULT: exit codes of the three, in words. The source's own is the cause where more than one failed,
        # but for a source that was cut off because it sent too much.
        reason() {
          if (($3 == 3)); then echo "it sent more than it may"
          elif (($1 == 124)); then echo "it took longer than it may"
          elif (($1 == 126 || $1 == 127)); then echo "it has no netlog.Export (exit code $1)"
          elif (($1 != 0)); then echo "its netlog.Export ended with exit code $1"
          elif (($3 == 4)); then echo "it sent nothing"
          elif (($3 == 5)); then echo "it sent something else than a bundle"
          else echo "${conf[VAULT]} did not take it (exit code $3)"
          fi
        }

        halt_vault() { timeout -k 10 "$VAULT_SECONDS" qvm-shutdown -q --wait "${conf[VAULT]}" > /dev/null 2>&1; }

        main() {
          local qube oldest=''
          read_conf
          mkdir -p "$STATE" || die "$STATE can't be made"
          exec {lock}> "$LOCK" || die "$LOCK can't be made"
          flock -w "$LOCK_SECONDS" "$lock" || die "$LOCK is held by another program"
          NOW=$(date +%s)
          DATE=$(date -d "@$NOW" -I)
          ID=$(date -u -d "@$NOW" +%Y%m%dT%H%M%SZ)
          readonly NOW DATE ID

          if ! qvm-check -q --running "${conf[VAULT]}" > /dev/null 2>&1; then
            trap halt_vault EXIT
            timeout -k 10 "$VAULT_SECONDS" qvm-start -q "${conf[VAULT]}" > /dev/null 2>&1 || die "${conf[VAULT]}: can't be started"
          fi
          # The lists are split into words.
          for qube in ${conf[PCAPS]}; do backup "$qube" pcaps "pcaps-$DATE" .tgz; done
          for qube in ${conf[NFT]}; do backup "$qube" nft "nft-$DATE" .log.gz; done
          if [[ -n ${conf[KEEP_DAYS]}${conf[KEEP_BYTES]} ]]; then
            [[ -z ${conf[KEEP_DAYS]} ]] || oldest=$(date -d "$DATE -${conf[KEEP_DAYS]} days" -I)
            in_vault "$VAULT_SECONDS" vault_retain "$DATE" "$oldest" "${conf[KEEP_BYTES]}" < /dev/null ||
              fail "${conf[VAULT]}: old bundles could not be removed (exit code $?)"
          fi
          exit "$failed"
        }

        main
        {%- endraw %}

netlog-dom0-qubes-netlogs-backup.service:
  file.managed:
    - name: {{ roots.dom0 }}/etc/systemd/system/qubes-netlogs-backup.service
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: true
    - contents: |
        {%- raw %}
        [Unit]
        Description=Backup of network logs into the vault
        # At boot a run that was missed waits for the qubes that are started then.
        After=qubesd.service qubes-vm@sys-net.service qubes-vm@sys-firewall.service qubes-vm@sys-dns.service qubes-vm@sys-vpn.service

        [Service]
        Type=oneshot
        ExecStart=/usr/local/sbin/qubes-netlogs-backup
        Nice=10
        IOSchedulingClass=idle
        TimeoutStartSec=2h
        {%- endraw %}

netlog-dom0-qubes-netlogs-backup.timer:
  file.managed:
    - name: {{ roots.dom0 }}/etc/systemd/system/qubes-netlogs-backup.timer
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: true
    - contents: |
        [Unit]
        Description=Nightly backup of network logs into the vault

        [Timer]
        OnCalendar=*-*-* {{ netlog.at }}:00
        AccuracySec=1min
        # A night when the machine was off is made up for at the next boot.
        Persistent=true

        [Install]
        WantedBy=timers.target
{%- endif %}
{%- if 'template' in roots %}
{%- if netlog.mode == 'template' %}

netlog-template-activate:
  file.managed:
    - name: {{ roots.template }}/usr/lib/netlog/activate
    - user: root
    - group: root
    - mode: '0755'
    - makedirs: true
    - contents: |
        {%- raw %}
        #!/bin/sh
        # /usr/lib/netlog/activate: in a template, installs the package that was put beside it; qubes-netlogs-deploy runs it. What it
        # needs, Node above all, comes from the distribution by way of the updates proxy.
        #
        #   activate [--wait]   installs it, and enables the units, which only run in qubes that have their service
        #   activate --check    exit code 0: that has been done, with this package
        #   activate --remove   the opposite
        set -u
        home=/usr/lib/netlog

        if command -v dpkg > /dev/null; then package=$home/tsnetpcap.deb; else package=$home/tsnetpcap.rpm; fi

        case ${1:-} in
          --check) sha256sum --check --status "$home/installed" 2> /dev/null ;;
          --remove)
            systemctl --quiet disable netpcap.service netlog-spool.service
            rm -f "$home/installed"
            case $package in
              *.deb) DEBIAN_FRONTEND=noninteractive apt-get -q -y purge tsnetpcap ;;
              *) dnf -q -y remove tsnetpcap ;;
            esac
            ;;
          '' | --wait)
            case $package in
              *.deb) DEBIAN_FRONTEND=noninteractive apt-get -q -y install --reinstall "$package" ;;
              *) dnf -q -y reinstall "$package" || dnf -q -y install "$package" ;;
            esac &&
              install -d -m 0700 /var/log/netlog && # qubes bind what there is in their template
              systemctl daemon-reload &&
              systemctl --quiet enable netpcap.service netlog-spool.service &&
              sha256sum "$package" > "$home/installed"
            ;;
          *)
            echo "usage: $0 [--wait | --check | --remove]" >&2
            exit 2
            ;;
        esac
        {%- endraw %}
{%- endif %}
{%- endif %}
{%- if 'source' in roots %}

netlog-source-netlog.Export:
  file.managed:
    - name: {{ roots.source }}{{ '/usr/local/etc/qubes-rpc/netlog.Export' if netlog.mode == 'rw' else '/etc/qubes-rpc/netlog.Export' }}
    - user: root
    - group: root
    - mode: '0755'
    - makedirs: true
    - contents: |
        {%- raw %}
        #!/bin/bash
        # netlog.Export, which qubes-netlogs-backup in dom0 runs as root (deploy/qubes/PROTOCOL.md):
        #
        #   netlog.Export pcaps|nft ID SINCE UNTIL [RECIPIENT]   the bundle
        #   netlog.Export facts ID                               KEY=VALUE lines about it
        set -euo pipefail
        PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin

        # Never the plain text where there is a recipient.
        encrypt() {
          if [[ -n $1 ]]; then exec age --encrypt --recipient "$1"; else exec cat; fi
        }

        case ${1-}:$# in
          pcaps:[45]) netlog-pcaps export "$2" | (encrypt "${5-}") ;;
          nft:[45]) netlog-lines export "$2" "$3" "$4" | (encrypt "${5-}") ;;
          facts:2)
            # A qube may have both; the one that does not know of ID says nothing.
            for program in netlog-pcaps netlog-lines; do
              ! command -v "$program" > /dev/null || "$program" facts "$2"
            done
            ;;
          *)
            echo 'usage: netlog.Export pcaps|nft ID SINCE UNTIL [RECIPIENT] | facts ID' >&2
            exit 2
            ;;
        esac
        {%- endraw %}

netlog-source-netlog.Release:
  file.managed:
    - name: {{ roots.source }}{{ '/usr/local/etc/qubes-rpc/netlog.Release' if netlog.mode == 'rw' else '/etc/qubes-rpc/netlog.Release' }}
    - user: root
    - group: root
    - mode: '0755'
    - makedirs: true
    - contents: |
        {%- raw %}
        #!/bin/bash
        # netlog.Release ID DAYS, which qubes-netlogs-backup in dom0 runs as root: what netlog.Export has sent as ID is in the vault.
        set -euo pipefail
        PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin
        # The packet logs of nftables are kept by age and size, and need no release.
        ! command -v netlog-pcaps > /dev/null || netlog-pcaps release "$1" "$2"
        {%- endraw %}
{%- if netlog.mode == 'rw' %}

netlog-source-50-netlog.rc:
  file.managed:
    - name: {{ roots.source }}/rw/config/rc.local.d/50-netlog.rc
    - user: root
    - group: root
    - mode: '0755'
    - makedirs: true
    - contents: |
        {%- raw %}
        #!/bin/sh
        # /rw/config/rc.local.d/50-netlog.rc: Qubes runs it as root at each start of the qube, and qubes-netlogs-deploy when it has
        # brought new files. The root of an app qube is new at each start: units, user and mounts are made again from what /rw keeps.
        #
        #   50-netlog.rc            makes it so; the units start in the background
        #   50-netlog.rc --wait     the same for new files: restarts what has changed, and fails when that does not start
        #   50-netlog.rc --check    exit code 0: all that has been done, with the files as they are now
        #   50-netlog.rc --remove   the opposite; logs are left
        set -u
        home=/rw/config/netlog
        units=/run/systemd/system
        sums=/run/netlog
        script=/rw/config/qubes-firewall-user-script
        action=${1:---boot}
        failed=0

        # keep DIRECTORY: it is on /rw. From the next start on Qubes sees to it (qubes-bind-dirs.d).
        keep() {
          mkdir -p "/rw/bind-dirs$1" "$1"
          mountpoint -q "$1" || mount --bind "/rw/bind-dirs$1" "$1"
        }

        # unit NAME FILE...: NAME of $home is started, or restarted when it, its drop-ins or one of FILE is not as it was. A unit
        # whose service dom0 has switched off does nothing when it is started.
        unit() {
          name=$1
          shift
          [ -e "$home/$name" ] || return 0
          sum=$(cd "$home" && find "$name" "$name.d" "$@" -type f -exec sha256sum {} + 2> /dev/null | sort | sha256sum)
          same=$([ "$sum" != "$(cat "$sums/$name" 2> /dev/null)" ] || echo yes)
          case $action in
            --check)
              [ -n "$same" ] || failed=1
              return
              ;;
            --remove)
              systemctl --quiet stop "$name"
              rm -rf "${units:?}/$name" "$units/$name.d" "${sums:?}/$name"
              return
              ;;
          esac
          if [ -z "$same" ]; then
            rm -rf "${units:?}/$name" "$units/$name.d"
            cp -r "$home/$name" "$units/"
            [ ! -d "$home/$name.d" ] || cp -r "$home/$name.d" "$units/"
            systemctl daemon-reload
          fi
          case $action$same in
            --boot*) systemctl --no-block start "$name" ;;
            --waityes) systemctl start "$name" ;;
            --wait) systemctl restart "$name" ;;
          esac && echo "$sum" > "$sums/$name" || failed=1
        }

        # block FILE: its rules, with their markers.
        block() {
          sed -n '/^# BEGIN netlog$/,/^# END netlog$/p' "$1" 2> /dev/null
        }

        # loaded: the rules are, where dom0 has switched them on.
        loaded() {
          [ ! -e /run/qubes-service/netlog ] || nft list table inet netlog > /dev/null 2>&1
        }

        # The rules stand in the qube's own firewall script, which Qubes has run before this at a start: first, since it may exit.
        rules() {
          [ -e "$home/50-netlog" ] || return 0
          case $action in
            --check)
              [ "$(block "$home/50-netlog")" = "$(block "$script")" ] && [ -x "$script" ] && loaded || failed=1
              ;;
            --wait)
              shell=$(sed -n '1{/^#!/p}' "$script" 2> /dev/null)
              {
                echo "${shell:-#!/bin/sh}"
                block "$home/50-netlog"
                sed -e '1{/^#!/d}' -e '/^# BEGIN netlog$/,/^# END netlog$/d' "$script" 2> /dev/null
              } > "$script.new"
              chmod 0755 "$script.new" && mv "$script.new" "$script"
              "$home/50-netlog" && loaded || failed=1
              ;;
            --remove)
              nft delete table inet netlog 2> /dev/null
              [ -e "$script" ] || return
              sed -i '/^# BEGIN netlog$/,/^# END netlog$/d' "$script"
              [ "$(cat "$script")" != '#!/bin/sh' ] || rm "$script"
              ;;
          esac
        }

        case $action in
          --boot | --wait)
            mkdir -p "$units" "$sums" /run/qubes-service
            # What dom0 has switched on since this qube has started.
            for service in netpcap netlog; do
              [ "$(qubesdb-read "/qubes-service/$service" 2> /dev/null)" != 1 ] || : > "/run/qubes-service/$service"
            done
            for conf in "$home"/sysusers.d/*.conf; do
              [ ! -e "$conf" ] || systemd-sysusers "$conf"
            done
            [ ! -e "$home/netpcap.service" ] || keep /var/log/netpcap
            [ ! -e "$home/netlog-spool.service" ] || keep /var/log/netlog
            ;;
          --check | --remove) ;;
          *)
            echo "usage: $0 [--wait | --check | --remove]" >&2
            exit 2
            ;;
        esac

        rules
        unit netpcap.service "$home/netpcap.default" /usr/local/bin/tsnetpcap /usr/local/lib/tsnetpcap
        unit netlog-spool.service /usr/local/bin/netlog-spool

        [ "$action" != --remove ] || systemctl daemon-reload
        exit "$failed"
        {%- endraw %}
{%- endif %}
{%- endif %}
{%- if 'capture' in roots %}

netlog-capture-netlog-pcaps:
  file.managed:
    - name: {{ roots.capture }}{{ '/usr/local/bin/netlog-pcaps' if netlog.mode == 'rw' else '/usr/bin/netlog-pcaps' }}
    - user: root
    - group: root
    - mode: '0755'
    - makedirs: true
    - contents: |
        {%- raw %}
        #!/bin/sh
        # What a qube that captures gives to the nightly backup; netlog.Export and netlog.Release run it, as root.
        #
        #   netlog-pcaps export ID         gzip of a tar: netpcap/NAME of every complete savefile that is not in the vault yet
        #   netlog-pcaps facts ID          KEY=VALUE lines about that, from the ledger
        #   netlog-pcaps release ID DAYS   ID is in the vault: its savefiles are not sent again, and those older than DAYS are deleted
        #
        # Names stay in this qube: ID.sent has those of an export, without the ending of a compressed one, and is ID.released when
        # dom0 says that it is safe.
        set -eu
        umask 077
        directory=/var/log/netpcap
        notes=/rw/config/netlog/exported
        links=$directory/.export # beside them, so that what the ring deletes meanwhile is whole in the archive

        savefiles() {
          find "$directory" -maxdepth 1 -type f -regextype posix-extended -regex '.*/[A-Za-z0-9][A-Za-z0-9_.-]*\.pcap(\.gz|\.zst)?' \
            -printf '%f\n' | sort
        }

        # forms NAME: that there are of it.
        forms() {
          for form in "$1" "$1.gz" "$1.zst"; do [ ! -e "$form" ] || echo "$form"; done
        }

        # As the capture's user, which has to read the list that this leaves for it.
        release() {
          setpriv --reuid "$(stat -c %u .)" --regid "$(stat -c %g .)" --clear-groups tsnetpcap release . "$@"
        }

        case ${2:-} in
          '' | *[!0-9TZ]*) set -- ;;
        esac
        case ${1:-}:$# in
          export:2)
            mkdir -p "$notes"
            rm -rf "$notes"/*.sent "$links"
            mkdir "$links" "$links/netpcap"
            trap 'rm -rf "$links"' EXIT
            cat "$notes"/*.released > "$links/released" 2> /dev/null || :
            savefiles | while read -r form; do
              name=${form%.gz}
              name=${name%.zst}
              if grep -qxF -- "$name" "$links/released"; then continue; fi
              ln "$directory/$form" "$links/netpcap/" 2> /dev/null || continue # it has just gone
              echo "$name" >> "$notes/$2.sent"
              echo "netpcap/$form"
            done > "$links/list"
            touch "$notes/$2.sent"
            tar -C "$links" --no-recursion --owner=0 --group=0 -T "$links/list" -c | gzip -n
            ;;

          facts:2)
            [ -e "$notes/$2.sent" ] || exit 0
            set -- "$notes/$2.sent"
            # Of a rotated ledger the older files sort first.
            for ledger in "$directory"/*.ledger-*.jsonl "$directory"/*.ledger.jsonl; do
              if [ -e "$ledger" ]; then set -- "$@" "$ledger"; fi
            done
            awk '
              function value(key) { return match($0, "\"" key "\":\"?[^\",}]*") ? substr($0, RSTART + length(key) + 3, RLENGTH - length(key) - 3) : "" }
              function text(key) { return substr(value(key), 2) }
              FNR == NR { files++; taken[$0] = 1; next }
              /^{"type":"(close|adopt)"/ && text("name") in taken {
                packets += value("packets"); bytes += value("bytes"); dropped += value("dropped")
                if (text("first") ~ /^[0-9]/) { if (first == "" || text("first") < first) first = text("first") }
                if (text("last") ~ /^[0-9]/ && text("last") > last) last = text("last")
              }
              /^{"type":"gap"/ { gap[++gaps] = value("fromMs") "/" value("toMs") }
              END {
                print "files=" files + 0 "\npackets=" packets + 0 "\nbytes=" bytes + 0 "\ndropped=" dropped + 0
                print "first=" first "\nlast=" last
                for (i = gaps > 50 ? gaps - 50 : 1; i <= gaps; i++) print "gap_" i "=" gap[i]
              }' "$@"
            for ledger in "$directory"/*.ledger.jsonl; do
              [ ! -e "$ledger" ] || echo "ledger_head=$(tail -n 1 "$ledger" | tr -d '\n' | sha256sum | cut -d ' ' -f 1)"
            done
            ;;

          release:3)
            [ ! -e "$notes/$2.sent" ] || mv "$notes/$2.sent" "$notes/$2.released"
            cd "$directory"
            old=$(cat "$notes"/*.released 2> /dev/null | while read -r name; do
              forms "$name" | sed 's|^|./|' | xargs -r -I {} find {} -maxdepth 0 -type f -mmin +"$(($3 * 1440))" -printf '%f\n'
            done)
            # Names have no spaces. All are deleted or none, and none where the ring has just deleted one of them.
            # shellcheck disable=SC2086
            [ -z "$old" ] || release $old 2> /dev/null || for name in $old; do
              release "$name" || [ ! -e "$name" ]
            done
            # A list is wanted as long as there is one of its savefiles.
            for list in "$notes"/*.released; do
              [ ! -e "$list" ] || [ -n "$(while read -r name; do forms "$name"; done < "$list")" ] || rm "$list"
            done
            ;;

          *)
            echo 'usage: netlog-pcaps export ID | facts ID | release ID DAYS' >&2
            exit 2
            ;;
        esac
        {%- endraw %}

netlog-capture-netpcap.default:
  file.managed:
    - name: {{ roots.capture }}{{ '/rw/config/netlog/netpcap.default' if netlog.mode == 'rw' else '/usr/lib/netlog/netpcap.default' }}
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: true
    - contents: |
        # Further options of netpcap.service. All are in tsnetpcap(8).
        NETPCAP_OPTS="{{ skipped }}{{ netlog.options }}"
{%- if netlog.mode == 'rw' %}

netlog-capture-netpcap.service:
  file.managed:
    - name: {{ roots.capture }}/rw/config/netlog/netpcap.service
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: true
    - contents: |
        {%- raw %}
        # Captures all interfaces into /var/log/netpcap, one file an hour, the last 48 kept. Options: /etc/default/netpcap. For what
        # they need beyond this (another directory, a device of USB), `systemctl edit netpcap`.
        [Unit]
        Description=Packet capture into a ring of savefiles
        Documentation=man:tsnetpcap(8)
        # Early, to see the first packets; interfaces may come later.
        After=network-pre.target
        # Months from now, a fault that has gone on for a night must not have been the last try.
        StartLimitIntervalSec=0

        [Service]
        # Started is: the first file is open and the filter attached, or the interface is waited for.
        Type=notify
        NotifyAccess=main
        EnvironmentFile=-/etc/default/netpcap
        # No ExecStartPre with --check: the program checks as much itself, and RestartPreventExitStatus does not look at ExecStartPre.
        ExecStart=/usr/bin/tsnetpcap --snaplen 96 --ring 48 $NETPCAP_OPTS
        # Begins the next file. The shell's own kill: /bin/kill is not on every machine.
        ExecReload=/bin/sh -c 'kill -HUP $$MAINPID'

        # A crash, a kill and a watchdog's abort; not an end as told (-c, --duration).
        Restart=on-failure
        RestartSec=5s
        # A wrong option or filter stays wrong.
        RestartPreventExitStatus=2
        # Four times in this time the program says that it came round, with each packet stored or knowingly waiting in the ring.
        WatchdogSec=30s
        # SIGTERM to the program alone, which waits for what -z has started; everything else is killed in the end.
        KillMode=mixed
        # Draining takes a second, the rest is for hashing and compressing the last file. The next start makes up for what is cut off.
        TimeoutStopSec=60s

        # Who it is. The directory is created with its owner and mode, is all that can be written, and stays when the service goes.
        User=netpcap
        Group=netpcap
        LogsDirectory=netpcap
        LogsDirectoryMode=0750
        UMask=0027

        # Other work can be late, a packet for which the ring has no room is lost. Programs of -z get 19 more than this.
        Nice=-5
        # Among the last to go when memory is short, for it holds little.
        OOMScoreAdjust=-500
        # Three times what it takes. Pages of files count and can go; the ring is the kernel's and does not count.
        MemoryMax=256M
        # When a program of -z takes too much of it, that one ends and not the service.
        OOMPolicy=continue
        # Packets do not go into a core file.
        LimitCORE=0
        # Node has eleven threads; the rest is for programs of -z.
        TasksMax=64

        # Opening a packet socket takes this one capability, nothing takes another, and nobody gets one back.
        AmbientCapabilities=CAP_NET_RAW
        CapabilityBoundingSet=CAP_NET_RAW
        NoNewPrivileges=yes

        # The system's files are read-only, users' are not there, /tmp and IPC are its own, devices are /dev/null and its like.
        ProtectSystem=strict
        ProtectHome=yes
        PrivateTmp=yes
        PrivateDevices=yes
        DevicePolicy=closed
        PrivateMounts=yes
        PrivateIPC=yes
        RemoveIPC=yes
        # What ProtectSystem leaves to everyone's writing: /run/lock, shared memory and message queues.
        ReadOnlyPaths=/run
        InaccessiblePaths=-/dev/shm -/dev/mqueue

        # The kernel and its clock, log, modules, parameters and control groups.
        ProtectKernelTunables=yes
        ProtectKernelModules=yes
        ProtectKernelLogs=yes
        ProtectControlGroups=yes
        ProtectClock=yes
        ProtectHostname=yes
        # Other processes: not seen, and of /proc only what is about processes.
        ProtectProc=invisible
        ProcSubset=pid

        # No ways to more rights or to run otherwise than now.
        LockPersonality=yes
        RestrictNamespaces=yes
        RestrictRealtime=yes
        RestrictSUIDSGID=yes
        KeyringMode=private

        # Packets; the manager and the log; lists of interfaces. It talks to no address.
        RestrictAddressFamilies=AF_PACKET AF_UNIX AF_NETLINK
        IPAddressDeny=any

        # What services use, but nothing for privileges or at the cost of others. Any other call fails, as where a kernel lacks it.
        # setpriority is nice(1)'s, which starts programs of -z.
        SystemCallArchitectures=native
        SystemCallFilter=@system-service
        SystemCallFilter=~@privileged @resources
        SystemCallFilter=setpriority
        SystemCallErrorNumber=EPERM

        # Not here: MemoryDenyWriteExecute (V8 writes the code that it runs), PrivateUsers (capabilities would not be those of the
        # network's namespace), LimitAS (V8 reserves far more addresses than it uses memory).

        [Install]
        WantedBy=multi-user.target
        {%- endraw %}

netlog-capture-50-qubes.conf:
  file.managed:
    - name: {{ roots.capture }}/rw/config/netlog/netpcap.service.d/50-qubes.conf
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: true
    - contents: |
        # netpcap.service.d/50-qubes.conf: what is different in an app qube, where all there is of the program is in /rw.
        [Unit]
        # From dom0: qvm-service QUBE netpcap on
        ConditionPathExists=/run/qubes-service/netpcap
        RequiresMountsFor=/var/log/netpcap

        [Service]
        EnvironmentFile=
        EnvironmentFile=-/rw/config/netlog/netpcap.default
        ExecStart=
        ExecStart=/usr/local/bin/tsnetpcap --snaplen {{ netlog.snaplen }} --ring {{ netlog.ring }} $NETPCAP_OPTS

netlog-capture-netpcap.conf:
  file.managed:
    - name: {{ roots.capture }}/rw/config/netlog/sysusers.d/netpcap.conf
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: true
    - contents: |
        {%- raw %}
        # /usr/lib/sysusers.d/netpcap.conf: who captures, and owns the savefiles. Members of the group may read them.
        u netpcap - "Packet capture" /var/log/netpcap
        {%- endraw %}

netlog-capture-50_netpcap.conf:
  file.managed:
    - name: {{ roots.capture }}/rw/config/qubes-bind-dirs.d/50_netpcap.conf
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: true
    - contents: |
        {%- raw %}
        # In an app qube, what is under /var is gone at its end but for what is bound from /rw.
        binds+=( '/var/log/netpcap' )
        {%- endraw %}

netlog-capture-tsnetpcap:
  file.managed:
    - name: {{ roots.capture }}/usr/local/bin/tsnetpcap
    - user: root
    - group: root
    - mode: '0755'
    - makedirs: true
    - contents: |
        {%- raw %}
        #!/bin/sh
        # /usr/local/bin/tsnetpcap: the program with the Node that was put beside it, or with the qube's own.
        node=/usr/local/lib/tsnetpcap/node
        [ -x "$node" ] || node=node
        exec "$node" /usr/local/lib/tsnetpcap/tsnetpcap.cjs "$@"
        {%- endraw %}
{%- endif %}
{%- if netlog.mode == 'template' %}

netlog-capture-50-qubes.conf:
  file.managed:
    - name: {{ roots.capture }}/etc/systemd/system/netpcap.service.d/50-qubes.conf
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: true
    - contents: |
        # netpcap.service.d/50-qubes.conf: of all qubes of this template, those capture that have the service.
        [Unit]
        # From dom0: qvm-service QUBE netpcap on
        ConditionPathExists=/run/qubes-service/netpcap
        RequiresMountsFor=/var/log/netpcap

        [Service]
        EnvironmentFile=
        EnvironmentFile=-/usr/lib/netlog/netpcap.default
        ExecStart=
        ExecStart=/usr/bin/tsnetpcap --snaplen {{ netlog.snaplen }} --ring {{ netlog.ring }} $NETPCAP_OPTS
{%- endif %}
{%- endif %}
{%- if 'nftlog' in roots %}

netlog-nftlog-netlog-lines:
  file.managed:
    - name: {{ roots.nftlog }}{{ '/usr/local/bin/netlog-lines' if netlog.mode == 'rw' else '/usr/bin/netlog-lines' }}
    - user: root
    - group: root
    - mode: '0755'
    - makedirs: true
    - contents: |
        {%- raw %}
        #!/bin/bash
        # What a qube that logs with nftables gives to the nightly backup; netlog.Export runs it, as root.
        #
        #   netlog-lines export ID SINCE UNTIL   gzip of the lines of [SINCE, UNTIL), as `journalctl -o short-iso-precise` has them
        #   netlog-lines facts ID                KEY=VALUE lines about that, and the counters of the rules
        #
        # The lines are netlog-spool's, as the journal's JSON; one whose message is no text is none of the kernel's packet logs.
        set -euo pipefail
        umask 077
        notes=/run/netlog-exported

        case ${2-} in
          '' | *[!0-9TZ]*) set -- ;;
        esac
        case ${1-}:$# in
          export:4)
            rm -rf "$notes"
            mkdir "$notes"
            netlog-spool lines "$3" "$4" | awk -v facts="$notes/$2" '
              function value(key,  at) {
                if (!match($0, "\"" key "\" *: *\"[^\"]*\"")) return ""
                at = substr($0, RSTART, RLENGTH - 1)
                sub(/^"[^"]*" *: *"/, "", at)
                return at
              }
              {
                time = value("__REALTIME_TIMESTAMP"); message = value("MESSAGE"); host = value("_HOSTNAME")
                if (time !~ /^[0-9]+$/ || message == "") next
                seconds = substr(time, 1, length(time) - 6)
                print strftime("%Y-%m-%dT%H:%M:%S", seconds) "." substr(time, length(time) - 5) strftime("%z", seconds) " " host " kernel: " message
                if (!lines++) first = seconds
                last = seconds
              }
              END { print "lines=" lines + 0 "\nfirst=" first "\nlast=" last > facts }' | gzip -n
            ;;
          facts:2)
            [[ -e $notes/$2 ]] || exit 0
            cat "$notes/$2"
            # Without the table nothing was logged, which the backup is to say rather than to fail.
            nft list counters table inet netlog 2> /dev/null |
              awk '$1 == "counter" { name = $2 } $1 == "packets" { print name "=" $2 }' || echo table=missing
            ;;
          *)
            echo 'usage: netlog-lines export ID SINCE UNTIL | facts ID' >&2
            exit 2
            ;;
        esac
        {%- endraw %}

netlog-nftlog-50-netlog:
  file.managed:
    - name: {{ roots.nftlog }}{{ '/rw/config/netlog/50-netlog' if netlog.mode == 'rw' else '/etc/qubes/qubes-firewall.d/50-netlog' }}
    - user: root
    - group: root
    - mode: '0755'
    - makedirs: true
    - contents: |
        #!/bin/sh
        # 50-netlog: loads the packet logs of a net qube, however often it is run. In a template it is in
        # /etc/qubes/qubes-firewall.d, and Qubes runs it at each start of qubes-firewall.service; else 50-netlog.rc puts what is
        # between the two markers into /rw/config/qubes-firewall-user-script, whose own lines are run also when this fails.
        netlog=0
        # BEGIN netlog
        # Lines in the kernel's log, as in `SYSFW:new IN=vif5.0 OUT=eth0 ...`, for each new flow and each packet of DNS. A table
        # of its own: reloads of Qubes' firewall leave it, and whatever flushes chains of Qubes'.
        netlog_rules() {
          cat << NFT
        # One transaction: it is there with all its rules, or as it was before.
        add table inet netlog
        delete table inet netlog
        table inet netlog {
        	counter dns_seen { comment "DNS packets" }
        	counter dns_logged { comment "of these, in the log" }
        	counter new_seen { comment "new flows" }
        	counter new_logged { comment "of these, in the log" }

        	# A bucket for each interface: a qube that floods does not push the others out of the log.
        	set dns_rate { type ifname; size 1024; flags dynamic,timeout; timeout 10m; }
        	set new_rate { type ifname; size 1024; flags dynamic,timeout; timeout 10m; }
        	# A flow that a firewall refuses is not kept by conntrack, and new with each retry. Where a set is full that is logged.
        	set new4 {
        		type ipv4_addr . ipv4_addr . inet_proto . inet_service . inet_service
        		size 16384; flags dynamic,timeout; timeout 2m
        	}
        	set new6 {
        		type ipv6_addr . ipv6_addr . inet_proto . inet_service . inet_service
        		size 16384; flags dynamic,timeout; timeout 2m
        	}

        	# Level debug is below what a qube's kernel writes to its console, which dom0 keeps in files of its own.
        	chain dns {
        		counter name dns_seen
        		update @dns_rate { iifname limit rate {{ netlog.dns_rate }} } counter name dns_logged \
        			log prefix "$prefix:dns " level debug flags skuid
        	}
        	chain new {
        		meta l4proto { tcp, udp } ip saddr . ip daddr . meta l4proto . th sport . th dport @new4 return
        		meta l4proto { tcp, udp } ip6 saddr . ip6 daddr . meta l4proto . th sport . th dport @new6 return
        		counter name new_seen
        		meta l4proto { tcp, udp } add @new4 { ip saddr . ip daddr . meta l4proto . th sport . th dport }
        		meta l4proto { tcp, udp } add @new6 { ip6 saddr . ip6 daddr . meta l4proto . th sport . th dport }
        		update @new_rate { iifname limit rate {{ netlog.new_rate }} } counter name new_logged \
        			log prefix "$prefix:new " level debug flags skuid
        	}
        	chain classify {
        		meta l4proto { tcp, udp } th dport 53 goto dns
        		meta l4proto { tcp, udp } th sport 53 goto dns
        		# Confirmed: an earlier packet of it has passed, so this is an unanswered one's retry.
        		ct state new ct status & confirmed == 0 goto new
        	}

        	# Before Qubes' rules, which have priority filter: what they refuse is seen as well.
        	chain forward {
        		type filter hook forward priority filter - 10; policy accept
        		jump classify
        	}
        	chain output {
        		type filter hook output priority filter - 10; policy accept
        		oifname != "lo" jump classify
        	}
        	# Questions to a resolver of this qube's, and answers to its own. Nothing else that is for the qube itself.
        	chain input {
        		type filter hook input priority filter - 10; policy accept
        		iifname "lo" return
        		meta l4proto { tcp, udp } th dport 53 goto dns
        		meta l4proto { tcp, udp } th sport 53 goto dns
        	}
        }
        NFT
        }
        if [ -e /run/qubes-service/netlog ]; then
          (
            # From dom0, once for all qubes of a template: qvm-features QUBE vm-config.netlog-prefix SYSFW
            prefix=$(qubesdb-read /vm-config/netlog-prefix)
            case $prefix in
              '' | [!A-Z]* | *[!A-Z0-9_-]*)
                echo "vm-config.netlog-prefix is '$prefix': no word in capitals" >&2
                exit 1
                ;;
            esac
            netlog_rules | nft -f -
          ) || {
            netlog=$?
            echo 'netlog: the packet logs are not loaded' >&2
          }
        fi
        unset -f netlog_rules
        # END netlog
        exit "$netlog"

netlog-nftlog-netlog-spool:
  file.managed:
    - name: {{ roots.nftlog }}{{ '/usr/local/bin/netlog-spool' if netlog.mode == 'rw' else '/usr/bin/netlog-spool' }}
    - user: root
    - group: root
    - mode: '0755'
    - makedirs: true
    - contents: |
        {%- raw %}
        #!/bin/bash
        # Keeps the packet logs of a net qube longer than its journal, which is gone with the qube: app qubes keep DIRECTORY.
        #
        #   netlog-spool follow BOOT         copies this boot's lines there, for ever; netlog-spool.service runs it
        #   netlog-spool lines SINCE UNTIL   those of [SINCE, UNTIL), seconds since 1970, kept or still in the journal, each
        #                                    once and by its time; netlog-lines runs it
        #
        # A line is the journal's JSON of a kernel message in 50-netlog's form. Boot, times and hash of its cursor tell it from
        # others, also when journald has moved it from /run to /var. A file is NUMBER-HOUR.jsonl, HOUR its first line's in UTC;
        # the one with the highest number is written to. Of the journal only BOOT, its id, is copied: what it has of other boots
        # `lines` finds there.
        set -uo pipefail
        shopt -s nullglob
        export LC_ALL=C TZ=UTC0 # a length is in bytes
        umask 077

        readonly DIRECTORY=/var/log/netlog
        readonly MAX_BYTES=134217728 FILE_BYTES=8388608 MAX_DAYS=7 RETRY_SECONDS=5 SILENCE_SECONDS=600
        readonly MESSAGE='"MESSAGE" *: *"[A-Z][A-Z0-9_-]*:(new|dns) IN='
        readonly CURSOR='"__CURSOR" *: *"([^"]*;b=([0-9a-f]*)[^"]*)"'
        readonly TIME='"__REALTIME_TIMESTAMP" *: *"([0-9]*)[0-9]{6}"'

        # journal ARGUMENT...: the kernel's lines. No --grep, which can be missing, and fails where nothing is found.
        journal() {
          exec journalctl --quiet --no-pager --output=json --output-fields=MESSAGE,_HOSTNAME,_SOURCE_MONOTONIC_TIMESTAMP \
            _TRANSPORT=kernel "$@"
        }

        # mend: a power cut can have torn the last line, which the journal may still have.
        mend() {
          local path torn
          for path in "$DIRECTORY"/[0-9]*.jsonl; do
            [[ $(tail -c 1 "$path" | od -An -c) == *'\n'* ]] && continue
            torn=$(tail -n 1 "$path" | wc -c)
            truncate -s "-$torn" "$path"
            [[ -s $path ]] || rm -f "$path"
          done
        }

        # prune: what is too old, and the oldest until there is room for one file more.
        prune() {
          local files sizes total=0 i
          find "$DIRECTORY" -maxdepth 1 -name '[0-9]*.jsonl' -mmin +$((MAX_DAYS * 1440)) -delete
          files=("$DIRECTORY"/[0-9]*.jsonl)
          ((${#files[@]} > 0)) || return 0
          mapfile -t sizes < <(stat -c %s "${files[@]}")
          for i in "${!sizes[@]}"; do total=$((total + sizes[i])); done
          for ((i = 0; total > MAX_BYTES - FILE_BYTES; i++)); do
            rm -f "${files[i]}"
            total=$((total - sizes[i]))
          done
        }

        # append LINE SECONDS: all of it, or nothing where there is no room.
        append() {
          local now
          printf -v now '%(%Y%m%dT%H)T' "$2"
          if [[ $now != "$hour" ]] || ((size + ${#1} >= FILE_BYTES)); then
            prune
            number=$((number + 1)) hour=$now size=0
            printf -v file '%s/%08d-%s.jsonl' "$DIRECTORY" "$number" "$hour"
          fi
          if ! { printf '%s\n' "$1" >> "$file"; } 2> /dev/null; then
            truncate -s "$size" "$file" 2> /dev/null
            return 1
          fi
          size=$((size + ${#1} + 1))
        }

        # keep LINE: where it can not be written it is tried again, and all that comes after it waits in the journal.
        keep() {
          [[ $1 =~ $MESSAGE && $1 =~ $CURSOR ]] || return 0
          [[ ${BASH_REMATCH[1]#*;b=} != "$last" && $1 =~ $TIME ]] || return 0
          local seconds=${BASH_REMATCH[1]} full=
          until append "$1" "$seconds"; do
            [[ -n $full ]] || echo "$DIRECTORY takes nothing, as when its disk is full: lines wait in the journal" >&2
            full=yes
            sleep "$RETRY_SECONDS"
          done
          [[ -z $full ]] || echo "$DIRECTORY takes lines again" >&2
        }

        # follow BOOT
        follow() {
          local number=0 hour='' size=0 file='' last='' line status=0 files from=()
          mend
          prune
          files=("$DIRECTORY"/[0-9]*.jsonl)
          if ((${#files[@]} > 0)); then
            file=${files[-1]}
            size=$(stat -c %s "$file")
            IFS=-. read -r number hour _ <<< "${file##*/}"
            number=$((10#${number//[!0-9]/}))
            if [[ $(tail -n 1 "$file") =~ $CURSOR && ${BASH_REMATCH[2]} == "$1" ]]; then
              # Not --after-cursor, which leaves out a line where the journal does not have this one any more.
              from=(--cursor="${BASH_REMATCH[1]}")
              last=${BASH_REMATCH[1]#*;b=}
            fi
          fi
          # After a silence it begins anew: for what has grown too old, and for a journal where journalctl does not watch.
          while IFS= read -r -t "$SILENCE_SECONDS" line || { status=$?; false; }; do
            keep "$line"
          done < <(journal --follow --no-tail --boot="$1" "${from[@]}")
          if ((status > 128)); then
            kill "$!"
            exec "$0" follow "$1"
          fi
          echo 'journalctl has ended' >&2
          return 1
        }

        # lines SINCE UNTIL: a file that is being written to can end in the middle of a line, and another be gone by now.
        lines() {
          local path
          {
            for path in "$DIRECTORY"/[0-9]*.jsonl; do
              cat "$path" 2> /dev/null
              echo
            done
            journal --since="@$1" --until="@$2"
          } | awk -v since="$1" -v until="$2" -v message="$MESSAGE" '
            function value(key,  at) {
              if (!match($0, "\"" key "\" *: *\"[^\"]*\"")) return ""
              at = substr($0, RSTART, RLENGTH - 1)
              sub(/^"[^"]*" *: *"/, "", at)
              return at
            }
            !/^[{][^{}]*[}]$/ || $0 !~ message { next }
            {
              time = value("__REALTIME_TIMESTAMP") + 0; line = value("__CURSOR")
              sub(/^.*;b=/, "", line)
              if (time < since * 1000000 || time >= until * 1000000 || line in seen) next
              seen[line]
              printf "%.0f\t%s\n", time, $0
            }' | sort -s -n -k 1,1 | cut -f 2-
        }

        case ${1-}:$#:${2-}${3-} in
          follow:2:*[!0-9a-f]* | lines:3:*[!0-9]*) set -- ;;
        esac
        case ${1-}:$# in
          follow:2) follow "$2" ;;
          lines:3) lines "$2" "$3" ;;
          *)
            echo 'usage: netlog-spool follow BOOT | lines SINCE UNTIL' >&2
            exit 2
            ;;
        esac
        {%- endraw %}

netlog-nftlog-netlog-spool.service:
  file.managed:
    - name: {{ roots.nftlog }}{{ '/rw/config/netlog/netlog-spool.service' if netlog.mode == 'rw' else '/usr/lib/systemd/system/netlog-spool.service' }}
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: true
    - contents: |
        {%- raw %}
        # Copies the packet logs of a net qube out of its journal into /var/log/netlog, which outlives the qube.
        [Unit]
        Description=Packet logs kept over the end of the qube
        # From dom0: qvm-service QUBE netlog on
        ConditionPathExists=/run/qubes-service/netlog
        RequiresMountsFor=/var/log/netlog
        # A fault that has gone on for a night must not have been the last try.
        StartLimitIntervalSec=0

        [Service]
        # In /usr/local/bin of an app qube, in /usr/bin of a template.
        ExecStart=netlog-spool follow %b
        Restart=always
        RestartSec=5s

        # The journal's owner without a single capability: no user has to be made for it. The directory stays.
        CapabilityBoundingSet=
        NoNewPrivileges=yes
        LogsDirectory=netlog
        LogsDirectoryMode=0700
        UMask=0077

        Nice=5
        MemoryMax=64M
        TasksMax=16
        LimitCORE=0

        # The system's files are read-only, the qube's own and its users' are not there, nor devices but /dev/null and its like.
        ProtectSystem=strict
        ProtectHome=yes
        InaccessiblePaths=-/rw -/dev/shm -/dev/mqueue
        ReadOnlyPaths=/run
        PrivateTmp=yes
        PrivateDevices=yes
        DevicePolicy=closed
        PrivateMounts=yes
        PrivateIPC=yes
        PrivateNetwork=yes
        RestrictAddressFamilies=none
        IPAddressDeny=any

        # The kernel and its clock, log, modules, parameters and control groups; other processes.
        ProtectKernelTunables=yes
        ProtectKernelModules=yes
        ProtectKernelLogs=yes
        ProtectControlGroups=yes
        ProtectClock=yes
        ProtectHostname=yes
        ProtectProc=invisible

        # No ways to more rights or to run otherwise than now.
        LockPersonality=yes
        MemoryDenyWriteExecute=yes
        RestrictNamespaces=yes
        RestrictRealtime=yes
        RestrictSUIDSGID=yes
        KeyringMode=private
        SystemCallArchitectures=native
        SystemCallFilter=@system-service
        SystemCallFilter=~@privileged @resources
        SystemCallErrorNumber=EPERM

        [Install]
        WantedBy=multi-user.target
        {%- endraw %}

netlog-nftlog-50_netlog.conf:
  file.managed:
    - name: {{ roots.nftlog }}{{ '/rw/config/qubes-bind-dirs.d/50_netlog.conf' if netlog.mode == 'rw' else '/usr/lib/qubes-bind-dirs.d/50_netlog.conf' }}
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: true
    - contents: |
        {%- raw %}
        # In an app qube, what is under /var is gone at its end but for what is bound from /rw.
        binds+=( '/var/log/netlog' )
        {%- endraw %}
{%- endif %}
{%- if 'work' in roots %}
{%- endif %}
{%- if 'capture' in roots %}
{%- if netlog.mode == 'rw' %}

netlog-capture-program:
  file.recurse:
    - name: {{ roots.capture }}/usr/local/lib/tsnetpcap
    - source: salt://qubes/monitor/files/tsnetpcap
    - user: root
    - group: root
    - file_mode: '0755'
    - dir_mode: '0755'
{%- else %}
{%- for kind in ['deb', 'rpm'] %}

netlog-capture-{{ kind }}:
  file.managed:
    - name: {{ roots.capture }}/usr/lib/netlog/tsnetpcap.{{ kind }}
    - source: salt://qubes/monitor/files/tsnetpcap.{{ kind }}
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: true
{%- endfor %}
{%- endif %}
{%- endif %}
{%- if 'source' in roots %}
{%- set release = ('b6f976d0af58f55688432229de0e502cc22406b742d648e510a8d565b7232f06' ~ netlog) | sha256 %}

netlog-source-release:
  file.managed:
    - name: {{ roots.source ~ release_file }}
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: true
    - contents: '{{ release }}'
{%- endif %}
{%- if id == 'dom0' %}

netlog-qubes:
  file.managed:
    - name: /usr/local/lib/qubes-netlogs/qubes
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
    - name: /usr/local/sbin/qubes-netlogs-deploy {{ qube }}
    - unless:
      {%- if 'source' in roles %}
      - grep -qxF {{ release }} {{ roots.source ~ release_file }}
      {%- endif %}
      {%- if 'work' in roles %}

      {%- endif %}
      - /usr/local/sbin/qubes-netlogs-deploy --check {{ qube }}
{%- endfor %}

netlog-timer:
  service.running:
    - name: qubes-netlogs-backup.timer
    - enable: true
    - watch:
      - file: netlog-dom0-qubes-netlogs-backup.timer
{%- elif 'source' in roots %}

netlog-activate:
  cmd.run:
    - name: {{ activate }} --wait
    - unless:
      - grep -qxF {{ release }} {{ roots.source ~ release_file }}
      - {{ activate }} --check
{%- endif %}
