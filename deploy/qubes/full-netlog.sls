# Packet captures in sys-dns and sys-vpn, packet logs in sys-firewall and sys-net, and a nightly backup of both to a vault.
# For dom0, which brings the qubes their files itself. It works in a qube as well:
#   sudo qubesctl --skip-dom0 --targets=sys-dns,sys-vpn,sys-firewall,sys-net,work state.sls qubes.monitor.full-netlog
#
#   sudo qubesctl state.show_sls qubes.monitor.full-netlog
#   sudo qubesctl --show-output state.sls qubes.monitor.full-netlog
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
{%- if id == 'dom0' and netlog.also_at %}

netlog-also_at:
  cmd.run:
    - name: systemd-analyze calendar '{{ netlog.also_at }}'
    - unless: systemd-analyze calendar '{{ netlog.also_at }}'
    - failhard: true
{%- endif %}
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

netlog-dom0-netlogs.sh:
  file.managed:
    - name: {{ roots.dom0 }}/usr/local/lib/netlogs.sh
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: true
    - contents: |
        {%- raw %}
        # shellcheck shell=bash
        # What the programs of the netlog system in dom0 share: qubes-netlogs-backup, pull-netlogs-to-work and netlogs-health source
        # it. Their settings, how they say what failed, how they reach a qube, and the vault, which only one of them has at a time.
        # Nothing here prints or keeps what a qube says: callers get exit codes, or bytes that they pass on.
        # shellcheck disable=SC2034

        # In STATE SOURCE.pcaps and SOURCE.nft: when the last good backup of that began.
        readonly CONF=/etc/netlogs.conf STATE=/var/lib/netlogs
        # A backup may take two hours; a qube that does not start or halt is given up.
        readonly LOCK_SECONDS=7200 START_SECONDS=600

        declare -A conf=(
          [VAULT]=secrets-vault [WORK]=work [PCAPS]='sys-dns sys-vpn' [NFT]='sys-firewall sys-net' [MAX_BYTES]=2147483648
          [TIMEOUT]=1200 [PRUNE_DAYS]=2 [KEEP_DAYS]='' [KEEP_BYTES]='' [RECIPIENT]=''
        )
        readonly QUBE_NAME='[A-Za-z][A-Za-z0-9_.-]*'
        failed=0 # the exit code of who sources this

        say() { printf '%s\n' "$*" >&2; }
        fail() {
          say "$@"
          failed=1
        }
        die() {
          fail "$@"
          exit 1
        }

        # read_conf: the settings into `conf`. The file is not sourced: a line is taken for what it says, and never run.
        read_conf() {
          local line key value form
          [[ -e $CONF ]] || return 0
          while IFS= read -r line || [[ -n $line ]]; do
            [[ $line == *=* ]] || continue
            key=${line%%=*} value=${line#*=}
            [[ $key =~ ^[A-Z_]+$ && -v conf[$key] ]] || continue # it is for another program
            case $key in
              VAULT | WORK) form="$QUBE_NAME" ;;
              PCAPS | NFT) form="($QUBE_NAME( $QUBE_NAME)*)?" ;;
              MAX_BYTES | TIMEOUT | PRUNE_DAYS) form='[0-9]{1,15}' ;;
              KEEP_DAYS | KEEP_BYTES) form='([0-9]{1,15})?' ;;
              RECIPIENT) form='(age1[0-9a-z]{20,4000})?' ;;
            esac
            [[ $value =~ ^${form}$ ]] || die "$CONF: $key is not of the form $form"
            conf[$key]=$value
          done < "$CONF"
        }

        exists() { qvm-check -q "$1" > /dev/null 2>&1; }
        running() { qvm-check -q --running "$1" > /dev/null 2>&1; }

        # from_source SECONDS QUBE PROGRAM ARGUMENT...: as root, its stdout; never starts a qube. The template's program is used
        # where a qube has none.
        # shellcheck disable=SC2016
        from_source() {
          local find='d=/usr/local/etc/qubes-rpc; [ -x "$d/$0" ] || d=/etc/qubes-rpc; exec "$d/$0" "$@"'
          timeout -k 10 "$1" qvm-run --no-gui -q -n -p -u root "$2" -- sh -c "$find" "${@:3}" < /dev/null 2> /dev/null
        }

        # in_qube SECONDS QUBE FUNCTION ARGUMENT...: runs a function of the caller's there, as the user; stdin and stdout are the
        # caller's. The function can call no other.
        # shellcheck disable=SC2016
        in_qube() {
          timeout -k 10 "$1" qvm-run --no-gui -q -p "$2" -- bash -c "set -u; umask 077; $(declare -f "$3"); "'"$0" "$@"' "${@:3}" \
            2> /dev/null
        }

        # start QUBE: nothing to do when it runs.
        start() { running "$1" || timeout -k 10 "$START_SECONDS" qvm-start -q "$1" > /dev/null 2>&1; }

        # open_vault: until the end of the program nobody else has the vault, and it runs; then it is halted if it was. Who comes
        # second waits. What is locked is this file: it is there, and a user of dom0 can lock it as root can.
        open_vault() {
          local lock
          exec {lock}< "${BASH_SOURCE[0]}" || die "${BASH_SOURCE[0]} can't be read"
          flock -n "$lock" || {
            say "waiting for another program of the netlog system to end"
            flock -w "$LOCK_SECONDS" "$lock" || die "another program of the netlog system does not end"
          }
          running "${conf[VAULT]}" || trap halt_vault EXIT
          start "${conf[VAULT]}" || die "${conf[VAULT]}: can't be started"
        }

        halt_vault() { timeout -k 10 "$START_SECONDS" qvm-shutdown -q --wait "${conf[VAULT]}" > /dev/null 2>&1; }
        {%- endraw %}

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
        #                            netlog.Export facts pcaps|nft ID                     KEY=VALUE lines for the manifest
        #                            netlog.Release pcaps|nft ID DAYS                     ID is safe: prune what is older
        #   in the vault, as user:   ~/NetLogs/SOURCE/DATE/.bundle.part, .facts.part -> {pcaps-DATE.tgz|nft-DATE.log.gz}, manifest.json
        #
        # Exit code 1 when anything failed, with a line on stderr that names the qube. Settings: /etc/netlogs.conf. The protocol in
        # full: deploy/qubes/PROTOCOL.md.
        #
        # What looks unreachable is called by name, in the vault or at the end:
        # shellcheck disable=SC2317
        set -uo pipefail
        umask 077

        # shellcheck source-path=SCRIPTDIR source-path=SCRIPTDIR/../lib source=netlogs.sh
        . /usr/local/lib/netlogs.sh || exit 1

        readonly SKEW_SECONDS=60 VAULT_SECONDS=600 FACTS_SECONDS=60 FACTS_BYTES=65536 RELEASE_SECONDS=300

        # in_vault SECONDS FUNCTION ARGUMENT...: runs one of the functions below there; its stdin is the caller's.
        in_vault() { in_qube "$1" "${conf[VAULT]}" "${@:2}" > /dev/null; }

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
          local qube=$1 kind=$2 base=$3 extension=$4 dir=$1/$DATE state=$1.$2
          local last='' since status manifest encrypted=false start='037 213' arguments=()
          exists "$qube" || { fail "$qube: not backed up: there is no such qube"; return; }
          if ! running "$qube"; then
            say "$qube: not running, left for the next run"
            return
          fi
          since=$(date -d 'yesterday 00:00' +%s)
          [[ ! -e $STATE/$state ]] || read -r last < "$STATE/$state"
          [[ $last =~ ^[0-9]{1,12}$ ]] || last=
          [[ -z $last ]] || ((last >= since)) || since=$last
          # Lines bear the source's time: what it had not stamped yet when dom0's clock said NOW comes with the next run.
          [[ $kind != nft ]] || since=$((since - SKEW_SECONDS))
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
            from_source "$FACTS_SECONDS" "$qube" netlog.Export facts "$kind" "$ID" | head -c "$((FACTS_BYTES + 1))" |
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

          { printf '%s\n' "$NOW" > "$STATE/.$state" && mv "$STATE/.$state" "$STATE/$state"; } ||
            fail "$qube: backed up, but $STATE/$state can't be written"
          from_source "$RELEASE_SECONDS" "$qube" netlog.Release "$kind" "$ID" "${conf[PRUNE_DAYS]}" > /dev/null ||
            fail "$qube: backed up, but netlog.Release ended with exit code $?"
        }

        # reason SOURCE HEAD VAULT: exit codes of the three, in words. The source's own is the cause where more than one failed,
        # but for a source that was cut off because it sent too much.
        reason() {
          if (($3 == 3)); then echo "it sent more than it may"
          elif (($1 == 124)); then echo "it took longer than it may"
          elif (($1 == 78)); then echo "it has no age, which is to encrypt it"
          elif (($1 == 126 || $1 == 127)); then echo "it has no netlog.Export (exit code $1)"
          elif (($1 != 0)); then echo "its netlog.Export ended with exit code $1"
          elif (($3 == 4)); then echo "it sent nothing"
          elif (($3 == 5)); then echo "it sent something else than a bundle"
          else echo "${conf[VAULT]} did not take it (exit code $3)"
          fi
        }

        main() {
          local qube oldest=''
          read_conf
          mkdir -p "$STATE" || die "$STATE can't be made"
          open_vault
          NOW=$(date +%s)
          DATE=$(date -d "@$NOW" -I)
          ID=$(date -u -d "@$NOW" +%Y%m%dT%H%M%SZ)
          readonly NOW DATE ID

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

netlog-dom0-pull-netlogs-to-work:
  file.managed:
    - name: {{ roots.dom0 }}/usr/local/sbin/pull-netlogs-to-work
    - user: root
    - group: root
    - mode: '0755'
    - makedirs: true
    - contents: |
        {%- raw %}
        #!/bin/bash
        # pull-netlogs-to-work: copies the bundles of one day from the vault into the work qube, or into a disposable, as
        # ~/NetLogs/DAY/SOURCE.tgz: a tar of DAY/ with the bundles of that source and their manifests. dom0 only joins pipes: days,
        # names and bounds are its own, it looks at exit codes, and nothing of what a qube says is parsed, printed or kept here.
        #
        # A file takes its name only when all of it is there, which the target has found by the checksum that the vault puts behind
        # it. Until then it is .SOURCE.tgz.part; what a pull before has brought stays. Settings: /etc/netlogs.conf.
        #
        # What looks unreachable is called by name, in the vault or in the target:
        # shellcheck disable=SC2317
        set -uo pipefail
        umask 077

        # shellcheck source-path=SCRIPTDIR source-path=SCRIPTDIR/../lib source=netlogs.sh
        . /usr/local/lib/netlogs.sh || exit 1

        # A day of a source may have bundles of more than one run.
        readonly BUNDLES=4 QUBE_SECONDS=60
        # How far back the newest day is looked for; a call asks for as many as there are exit codes for.
        readonly BACK_DAYS=390 DAYS_PER_CALL=30
        readonly VIEWER=/usr/local/lib/qubes-netlogs/work/home/user/bin/open-netlogs.sh

        usage() {
          cat << 'END'
        usage: pull-netlogs-to-work [DATE|latest] [--target QUBE]

        Copies the bundles of a day from the vault to ~/NetLogs/DATE/ of the work qube.

          DATE           2026-11-24: the day when the backup ran
          latest         the newest day of which the vault has anything; the default
          --target QUBE  another qube than /etc/netlogs.conf names as WORK; it gets ~/bin/open-netlogs.sh as well

        What was captured comes from qubes that face the network, so it is best looked at in a disposable without network:

          qvm-create --class DispVM --template default-dvm --label red --property auto_cleanup=True --property netvm= disp-netlogs
          pull-netlogs-to-work --target disp-netlogs
          qvm-run disp-netlogs xterm

        It and what is in it are gone when it shuts down.

        Exit code 0: what there was has been copied; 1: there was nothing of that day, or something failed; 2: wrong use.
        END
        }

        # ---- run in the vault -------------------------------------------------------------------------------------------------

        # vault_newest SOURCES DAY...: exit code 10 for the first day of which there is a bundle of any source, 11 for the second,
        # and so on; 3 for none.
        vault_newest() {
          local sources=$1 source day file number=10
          shift
          for day; do
            for source in $sources; do
              for file in "NetLogs/$source/$day"/{pcaps,nft}-"$day"*; do
                [[ ! -f $file ]] || exit "$number"
              done
            done
            number=$((number + 1))
          done
          exit 3
        }

        # vault_send SOURCE DAY: the archive, and behind it a line with its SHA-256. Exit code 3 when there is no bundle.
        vault_send() {
          local file files=() bundles=0 sum bundle="(pcaps-$2(-[0-9]+)?[.]tgz|nft-$2(-[0-9]+)?[.]log[.]gz)([.]age)?"
          cd "NetLogs/$1" || exit 3
          for file in "$2"/*; do
            [[ -f $file && ! -L $file && $file =~ ^$2/($bundle|manifest(-[0-9]+)?[.]json)$ ]] || continue
            files+=("$file")
            [[ $file == */manifest* ]] || bundles=$((bundles + 1))
          done
          ((bundles > 0)) || exit 3
          set -o pipefail
          exec 3>&1
          # sha256sum's output is what is captured; tee's goes past it.
          sum=$(tar -cz -- "${files[@]}" | tee >(sha256sum) >&3) || exit 1
          printf '%s\n' "${sum%% *}" >&3
        }

        # ---- run in the target ------------------------------------------------------------------------------------------------

        # target_receive DAY NAME MAX: exit code 3 when more came than MAX, 4 when nothing did, 5 when it is not whole.
        target_receive() {
          day=$1 part=NetLogs/$1/.$2.part
          local size sum trailer=65 # 64 digits and a newline
          trap 'rm -f "$part"; rmdir "NetLogs/$day"' EXIT
          mkdir -p "NetLogs/$day" && cat > "$part" && size=$(stat -c %s "$part") || exit 1
          ((size > 0)) || exit 4
          ((size <= $3 + trailer)) || exit 3
          ((size > trailer)) || exit 5
          sum=$(tail -c "$trailer" "$part" | tr -d '\0') && truncate -s "-$trailer" "$part" || exit 1
          [[ $(sha256sum < "$part") == "$sum  -" ]] || exit 5
          sync "$part" || exit 1
          trap - EXIT
        }

        # target_publish DAY NAME
        target_publish() { cd "NetLogs/$1" && mv -fT ".$2.part" "$2"; }

        # target_viewer: from stdin.
        target_viewer() {
          mkdir -p bin && cat > bin/.open-netlogs.part && chmod 0755 bin/.open-netlogs.part &&
            mv -fT bin/.open-netlogs.part bin/open-netlogs.sh
        }

        # ---- dom0 -------------------------------------------------------------------------------------------------------------

        # newest: into `day`, from days that dom0 makes.
        newest() {
          local back number code days
          for ((back = 0; back < BACK_DAYS; back += DAYS_PER_CALL)); do
            days=()
            for ((number = back; number < back + DAYS_PER_CALL; number++)); do
              days+=("$(date -d "$TODAY -$number days" -I)")
            done
            in_qube "$QUBE_SECONDS" "${conf[VAULT]}" vault_newest "${sources[*]}" "${days[@]}" < /dev/null > /dev/null
            code=$?
            if ((code >= 10 && code < 10 + DAYS_PER_CALL)); then
              day=${days[code - 10]}
              return
            fi
            ((code == 3)) || die "${conf[VAULT]}: can't be asked for its newest day (exit code $code)"
          done
          die "${conf[VAULT]}: nothing of the last $BACK_DAYS days"
        }

        # pull SOURCE: into `pulled` how many there were.
        pull() {
          local name=$1.tgz max=$((conf[MAX_BYTES] * BUNDLES)) status
          in_qube "${conf[TIMEOUT]}" "${conf[VAULT]}" vault_send "$1" "$day" < /dev/null |
            head -c "$((max + 66))" |
            in_qube "$((conf[TIMEOUT] + QUBE_SECONDS))" "$target" target_receive "$day" "$name" "$max" > /dev/null
          status=("${PIPESTATUS[@]}")
          if [[ ${status[0]} == 3 && ${status[2]} == 4 ]]; then
            say "$1: nothing of $day in ${conf[VAULT]}"
          elif [[ ${status[*]} != '0 0 0' ]]; then
            fail "$1: not pulled: $(reason "${status[@]}")"
          elif ! in_qube "$QUBE_SECONDS" "$target" target_publish "$day" "$name" < /dev/null > /dev/null; then
            fail "$1: not pulled: $target could not keep it"
          else
            echo "$1: pulled"
            pulled=$((pulled + 1))
          fi
        }

        # reason VAULT HEAD TARGET: exit codes of the three, in words.
        reason() {
          if (($3 == 3)); then echo "it has more bytes than it may"
          elif (($1 == 124 || $1 == 137)); then echo "${conf[VAULT]} took longer than it may"
          elif (($3 == 124 || $3 == 137)); then echo "$target took longer than it may"
          elif (($3 != 0 && $3 != 4 && $3 != 5)); then echo "$target did not take it (exit code $3)"
          elif (($1 != 0)); then echo "${conf[VAULT]} did not send it (exit code $1)"
          else echo "it did not arrive whole"
          fi
        }

        main() {
          local day=latest target='' source sources pulled=0
          while (($# > 0)); do
            case $1 in
              -h | --help)
                usage
                exit 0
                ;;
              --target=*) target=${1#*=} ;;
              --target)
                (($# > 1)) || wrong "--target: no qube is named"
                target=$2
                shift
                ;;
              -*) wrong "unknown option $1" ;;
              *)
                [[ $day == latest ]] || wrong "more than one date"
                day=$1
                ;;
            esac
            shift
          done
          [[ $day == latest || ($day =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}$ && $(date -d "$day" -I 2> /dev/null) == "$day") ]] ||
            wrong "$day is not a date such as $(date -I)"
          read_conf
          target=${target:-${conf[WORK]}}
          [[ $target =~ ^${QUBE_NAME}$ && $target != dom0 && $target != "${conf[VAULT]}" ]] || wrong "--target: not $target"
          # One that is in both lists has one directory.
          mapfile -t sources < <(tr ' ' '\n' <<< "${conf[PCAPS]} ${conf[NFT]}" | awk 'NF && !known[$0]++')
          TODAY=$(date -I)
          readonly TODAY

          exists "$target" || die "$target: there is no such qube"
          open_vault
          [[ $day != latest ]] || newest
          start "$target" || die "$target: can't be started"
          for source in "${sources[@]}"; do pull "$source"; done
          ((pulled > 0)) || exit 1
          if [[ $target != "${conf[WORK]}" && -e $VIEWER ]]; then
            in_qube "$QUBE_SECONDS" "$target" target_viewer < "$VIEWER" > /dev/null ||
              fail "$target: the viewer could not be brought there"
          fi
          echo "Done. Check in '$target': ~/NetLogs/$day/"
          exit "$failed"
        }

        wrong() {
          say "pull-netlogs-to-work: $1 (see --help)"
          exit 2
        }

        main "$@"
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
        # The pillar's also_at, such as hourly.
        OnCalendar={{ netlog.also_at }}
        OnCalendar=*-*-* {{ netlog.at }}:00
        AccuracySec=1min
        # A night when the machine was off is made up for at the next boot.
        Persistent=true

        [Install]
        WantedBy=timers.target

netlog-dom0-qubes-netlogs-final.service:
  file.managed:
    - name: {{ roots.dom0 }}/etc/systemd/system/qubes-netlogs-final.service
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: true
    - contents: |
        {%- raw %}
        # With `final: true` in the pillar: what qubes that keep nothing have is fetched before they end with the machine. Units stop
        # in the opposite order: qubes-core.service shuts the qubes down when this has ended.
        [Unit]
        Description=Backup of network logs when the machine is shut down
        After=qubesd.service qubes-core.service
        After=qubes-vm@sys-net.service qubes-vm@sys-firewall.service qubes-vm@sys-dns.service qubes-vm@sys-vpn.service

        [Service]
        Type=oneshot
        RemainAfterExit=yes
        # Not when it is switched off or removed.
        ExecStop=/bin/sh -c '[ "$$(systemctl is-system-running)" != stopping ] || exec /usr/local/sbin/qubes-netlogs-backup'
        TimeoutStopSec=15min

        [Install]
        WantedBy=multi-user.target
        {%- endraw %}

netlog-dom0-netlogs-health:
  file.managed:
    - name: {{ roots.dom0 }}/usr/local/sbin/netlogs-health
    - user: root
    - group: root
    - mode: '0755'
    - makedirs: true
    - contents: |
        {%- raw %}
        #!/bin/bash
        # netlogs-health: whether all that captures, logs and backs up does so. One line for each check, as `fail  sys-dns  ...`. A
        # qube's answer to netlog.Health is taken when it is exactly the numbers that are asked for, and is never printed as it came;
        # no qube is started for it. Settings: /etc/netlogs.conf. The protocol: deploy/qubes/PROTOCOL.md.
        #
        # What looks unreachable is run in the vault:
        # shellcheck disable=SC2317
        set -uo pipefail
        export LC_ALL=C

        # shellcheck source-path=SCRIPTDIR source-path=SCRIPTDIR/../lib source=netlogs.sh
        . /usr/local/lib/netlogs.sh || exit 1

        # A nightly backup that has waited for its qube until the morning is not late.
        readonly BACKUP_HOURS=30 DISK_PERCENT=95 ASK_SECONDS=60 ANSWER_BYTES=1000
        declare -A number=() # of the last answer
        quiet=''

        usage() {
          cat << 'END'
        usage: sudo netlogs-health [--quiet]

        Says of each qube of the netlog system how it is: ok, warn or fail, the qube, what was looked at.

          --quiet   only what is not ok

        What is not running is said and not started. Exit code 0: nothing failed; 1: something did; 2: wrong use.
        END
        }

        tell() {
          [[ $1 != fail ]] || failed=1
          [[ -n $quiet && $1 == ok ]] || printf '%-4s  %s  %s\n' "$1" "$2" "$3"
        }

        # expect QUBE GOOD BAD: ok or fail, by the exit code before it.
        expect() {
          # shellcheck disable=SC2181
          if (($? == 0)); then tell ok "$1" "$2"; else tell fail "$1" "$3"; fi
        }

        # ask QUBE KIND SINCE KEY...: the answer into `number`.
        ask() {
          local qube=$1 kind=$2 since=$3 form='' answer code key index=1
          local seconds=$((conf[TIMEOUT] < ASK_SECONDS ? conf[TIMEOUT] : ASK_SECONDS))
          shift 3
          for key; do form+="${form:+$'\n'}$key=([0-9]{1,15})"; done
          # The shell itself complains where an answer has a NUL.
          {
            answer=$(from_source "$seconds" "$qube" netlog.Health "$kind" "$since" | head -c "$ANSWER_BYTES")
            code=$?
          } 2> /dev/null
          if ((code == 124 || code == 137)); then tell fail "$qube" "has not answered for $seconds seconds"
          elif ((code == 126 || code == 127)); then tell fail "$qube" "has no netlog.Health (exit code $code)"
          elif ((code != 0)); then tell fail "$qube" "its netlog.Health ended with exit code $code"
          elif [[ ! $answer =~ ^${form}$ ]]; then tell fail "$qube" "has answered something else than the numbers asked for"
          else
            for key; do
              number[$key]=$((10#${BASH_REMATCH[index]}))
              index=$((index + 1))
            done
            return 0
          fi
          return 1
        }

        # disk QUBE
        disk() {
          ((number[disk] <= DISK_PERCENT))
          expect "$1" "disk: ${number[disk]}% used" "disk: ${number[disk]}% used, more than $DISK_PERCENT%"
        }

        # source_health QUBE KIND
        source_health() {
          local qube=$1 last='' level=fail
          exists "$qube" || { tell fail "$qube" "there is no such qube"; return; }
          running "$qube" || level=warn
          [[ ! -e $STATE/$qube.$2 ]] || read -r last < "$STATE/$qube.$2"
          if [[ ! $last =~ ^[0-9]{1,12}$ ]]; then
            tell "$level" "$qube" "no backup yet: systemctl start qubes-netlogs-backup.service"
            last=0
          elif (($(date +%s) - last > BACKUP_HOURS * 3600)); then
            tell "$level" "$qube" "last good backup: $((($(date +%s) - last) / 3600)) hours ago, more than $BACKUP_HOURS"
          else
            tell ok "$qube" "last good backup: $((($(date +%s) - last) / 3600)) hours ago"
          fi
          if [[ $level == warn ]]; then
            tell warn "$qube" "not running, and not looked into"
          else
            "$2" "$qube" "$last"
          fi
        }

        # pcaps QUBE SINCE
        pcaps() {
          ask "$1" pcaps "$2" active open disk dropped gaps || return
          ((number[active]))
          expect "$1" "netpcap.service is active" "netpcap.service is not active"
          ((number[open]))
          expect "$1" "a savefile is being written" "no savefile is being written"
          disk "$1"
          if ((number[dropped] + number[gaps] == 0)); then
            tell ok "$1" "no packet dropped, no gap since the last backup"
          else
            tell warn "$1" "since the last backup: ${number[dropped]} packets dropped, ${number[gaps]} gaps; its ledger has the times"
          fi
        }

        # nft QUBE SINCE
        nft() {
          ask "$1" nft "$2" table spool disk logged kept over || return
          ((number[table]))
          expect "$1" "nft: table inet netlog is there" "nft: there is no table inet netlog"
          ((number[spool]))
          expect "$1" "netlog-spool.service is active" "netlog-spool.service is not active"
          disk "$1"
          if ((number[logged] == 0)); then
            tell ok "$1" "lines: none to log since the last backup"
          elif ((number[kept] == 0)); then
            tell fail "$1" "lines: ${number[logged]} logged since the last backup, and none is there"
          elif ((number[kept] < number[logged])); then
            tell warn "$1" "lines: ${number[logged]} logged since the last backup, and only ${number[kept]} are there"
          else
            tell ok "$1" "lines: ${number[logged]} logged since the last backup"
          fi
          ((number[over] == 0)) || tell warn "$1" "lines: ${number[over]} beyond the rate limits were not logged since the last backup"
        }

        # Run in the vault.
        vault_has_room() {
          local used
          used=$(df --output=pcent . | tr -dc 0-9) && ((used <= $1))
        }

        vault() {
          local qube=${conf[VAULT]}
          if ! exists "$qube"; then
            tell fail "$qube" "there is no such qube"
          elif ! running "$qube"; then
            tell ok "$qube" "not running, and not looked into"
          else
            in_qube "$ASK_SECONDS" "$qube" vault_has_room "$DISK_PERCENT" < /dev/null > /dev/null
            expect "$qube" "disk: no more than $DISK_PERCENT% used" "disk: more than $DISK_PERCENT% used, or it has not answered"
          fi
        }

        dom0() {
          systemctl --quiet is-enabled qubes-netlogs-backup.timer 2> /dev/null &&
            systemctl --quiet is-active qubes-netlogs-backup.timer
          expect dom0 "qubes-netlogs-backup.timer is on" "qubes-netlogs-backup.timer is not on"
          ! systemctl --quiet is-failed qubes-netlogs-backup.service
          expect dom0 "qubes-netlogs-backup.service has not failed" "the last backup failed: journalctl -u qubes-netlogs-backup.service"
        }

        wrong() {
          say "netlogs-health: $1 (see --help)"
          exit 2
        }

        main() {
          local qube
          case $#:${1-} in
            0:) ;;
            1:--quiet) quiet=yes ;;
            1:-h | 1:--help)
              usage
              exit 0
              ;;
            *) wrong "unknown option $1" ;;
          esac
          ((EUID == 0)) || wrong "root alone can see when backups were: sudo netlogs-health"
          read_conf
          dom0
          for qube in ${conf[PCAPS]}; do source_health "$qube" pcaps; done
          for qube in ${conf[NFT]}; do source_health "$qube" nft; done
          vault
          exit "$failed"
        }

        main "$@"
        {%- endraw %}
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
        #   netlog.Export facts pcaps|nft ID                     KEY=VALUE lines about it
        set -euo pipefail
        PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin

        # Never the plain text where there is a recipient. Exit code 78 without age: dom0 has words for it.
        [[ -z ${5-} ]] || command -v age > /dev/null || exit 78
        encrypt() {
          if [[ -n $1 ]]; then exec age --encrypt --recipient "$1"; else exec cat; fi
        }

        case ${1-}:$#:${2-} in
          facts:3:pcaps) netlog-pcaps facts "$3" ;;
          facts:3:nft) netlog-lines facts "$3" ;;
          pcaps:[45]:*) netlog-pcaps export "$2" | (encrypt "${5-}") ;;
          nft:[45]:*) netlog-lines export "$2" "$3" "$4" | (encrypt "${5-}") ;;
          *)
            echo 'usage: netlog.Export pcaps|nft ID SINCE UNTIL [RECIPIENT] | facts pcaps|nft ID' >&2
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
        # netlog.Release pcaps|nft ID DAYS, which qubes-netlogs-backup in dom0 runs as root: what netlog.Export has sent as ID of that
        # kind is in the vault.
        set -euo pipefail
        PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin

        case ${1-}:$# in
          pcaps:3) netlog-pcaps release "$2" "$3" ;;
          # The packet logs of nftables are kept by age and size, and need no release; from here on netlog.Health counts them.
          nft:3) "${0%/*}/netlog.Health" mark ;;
          *)
            echo 'usage: netlog.Release pcaps|nft ID DAYS' >&2
            exit 2
            ;;
        esac
        {%- endraw %}

netlog-source-netlog.Health:
  file.managed:
    - name: {{ roots.source }}{{ '/usr/local/etc/qubes-rpc/netlog.Health' if netlog.mode == 'rw' else '/etc/qubes-rpc/netlog.Health' }}
    - user: root
    - group: root
    - mode: '0755'
    - makedirs: true
    - contents: |
        {%- raw %}
        #!/bin/bash
        # netlog.Health, which netlogs-health in dom0 runs as root (deploy/qubes/PROTOCOL.md). Its answer is KEY=NUMBER lines, always
        # the same keys in the same order; dom0 takes no other. What is a yes is 1.
        #
        #   netlog.Health pcaps SINCE   active open disk dropped gaps; the last two of what the ledger says since then
        #   netlog.Health nft SINCE     table spool disk logged kept over; the last three since netlog.Health mark, or the start
        #   netlog.Health mark          netlog.Release nft runs it: what was logged is in the vault
        set -uo pipefail
        PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin
        export LC_ALL=C
        readonly MARK=/run/netlog-mark

        # is NAME COMMAND...: NAME=1 where the command succeeds.
        is() {
          if "${@:2}" > /dev/null 2>&1; then echo "$1=1"; else echo "$1=0"; fi
        }

        # disk DIRECTORY: percent used of where it is; a directory that is not there has no room.
        disk() {
          local percent
          percent=$(df --output=pcent "$1" 2> /dev/null | tr -dc 0-9)
          echo "disk=${percent:-100}"
        }

        # Open, and not deleted by somebody; or ended by its size or a reload, and no packet has come for the next.
        savefile_open() {
          local pid
          pid=$(systemctl show --value --property MainPID netpcap.service)
          [[ $pid != 0 ]] || return
          [[ -n $(find "/proc/$pid/fd" -lname '*.pcap*' ! -lname '* (deleted)' 2> /dev/null) ]] ||
            grep -hoE '^\{"type":"(start|open|close|lost)"' /var/log/netpcap/*.ledger.jsonl | tail -n 1 | grep close
        }

        # ledger SINCE: packets lost and times when there was no capture, of lines that were written since.
        ledger() {
          local files=(/var/log/netpcap/*.ledger*.jsonl)
          [[ -e ${files[0]} ]] || files=(/dev/null)
          awk -v since="$(date -u -d "@$1" +%Y-%m-%dT%H:%M:%S)" '
            function value(key) { return match($0, "\"" key "\":\"?[^\",}]*") ? substr($0, RSTART + length(key) + 3, RLENGTH - length(key) - 3) : "" }
            !/^{"type":"(close|gap|lost)"/ || substr(value("time"), 2) < since { next }
            /^{"type":"close"/ { dropped += value("dropped") + value("noSpace"); next }
            { gaps++ }
            END { printf "dropped=%.0f\ngaps=%.0f\n", dropped, gaps }' "${files[@]}"
        }

        # counted: lines that the rules have had written, and packets that they would have.
        counted() {
          nft list counters table inet netlog 2> /dev/null | awk '
            $1 == "counter" { name = $2 }
            $1 == "packets" { sum[substr(name, 5)] += $2 }
            END { printf "%.0f %.0f\n", sum["logged"], sum["seen"] }'
        }

        # lines SINCE: of this qube's prefix.
        lines() {
          local prefix
          prefix=$(qubesdb-read /vm-config/netlog-prefix 2> /dev/null)
          netlog-spool lines "$1" "$(($(date +%s) + 1))" | grep -c "\"${prefix:-[A-Z]*}:"
        }

        packet_logs() {
          local time logged=0 seen=0 logged_now seen_now
          time=$(($(date +%s) - $(cut -d . -f 1 /proc/uptime)))
          [[ ! -e $MARK ]] || read -r time logged seen < "$MARK"
          read -r logged_now seen_now < <(counted)
          # The rules have been loaded again.
          ((logged_now >= logged && seen_now >= seen)) || logged=0 seen=0
          sleep 1 # for journald
          echo "logged=$((logged_now - logged))"
          echo "kept=$(lines "$time")"
          echo "over=$((seen_now - seen - (logged_now - logged)))"
        }

        case ${2-} in
          *[!0-9]*) set -- ;;
        esac
        case ${1-}:$# in
          pcaps:2)
            is active systemctl is-active netpcap.service
            is open savefile_open
            disk /var/log/netpcap
            ledger "$2"
            ;;
          nft:2)
            is table nft list table inet netlog
            is spool systemctl is-active netlog-spool.service
            disk /var/log/netlog
            packet_logs
            ;;
          mark:1) echo "$(date +%s) $(counted)" > "$MARK" ;;
          *)
            echo 'usage: netlog.Health pcaps|nft SINCE | mark' >&2
            exit 2
            ;;
        esac
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
                echo "${shell:-#!/bin/sh}" && block "$home/50-netlog" &&
                  { [ ! -e "$script" ] || sed -e '1{/^#!/d}' -e '/^# BEGIN netlog$/,/^# END netlog$/d' "$script"; }
              } > "$script.new" && chmod 0755 "$script.new" && mv "$script.new" "$script" || failed=1
              rm -f "$script.new" # where there was no room for all of it
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
        # Beside them, so that what the ring deletes meanwhile is whole in the archive. Nothing is written there: who captures, not
        # root, owns the directory, and could have put a link in its place.
        links=$directory/.export

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
            cat "$notes"/*.released > "$notes/known" 2> /dev/null || :
            savefiles | while read -r form; do
              name=${form%.gz}
              name=${name%.zst}
              if grep -qxF -- "$name" "$notes/known"; then continue; fi
              ln "$directory/$form" "$links/netpcap/" 2> /dev/null || continue # it has just gone
              echo "$name" >> "$notes/$2.sent"
              echo "netpcap/$form"
            done > "$notes/list"
            touch "$notes/$2.sent"
            tar -C "$links" --no-recursion --owner=0 --group=0 -T "$notes/list" -I 'gzip -n' -c
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

netlog-work-open-netlogs.sh:
  file.managed:
    - name: {{ roots.work }}/home/user/bin/open-netlogs.sh
    - user: {{ 'root' if id == 'dom0' else 'user' }}
    - group: {{ 'root' if id == 'dom0' else 'user' }}
    - mode: '0755'
    - makedirs: true
    - contents: |
        {%- raw %}
        #!/bin/bash
        # open-netlogs.sh: in the work qube, or a disposable, unpacks what pull-netlogs-to-work has brought, opens savefiles in
        # Wireshark and shows the last nft lines. ~/NetLogs/DAY/SOURCE.tgz becomes ~/NetLogs/DAY/SOURCE/ with netpcap/, nft-*.log.gz
        # and manifests; it takes that name when it is done, and has .whole in it when nothing was wrong, else it is tried again.
        #
        # All of it comes from qubes that face the network. So tar writes nothing itself: it hands each regular file to `member`,
        # which takes it where its name has the one form that belongs there; links, devices and all else are left out. Bytes,
        # entries and the ratio of compression are bounded, and what is shown has no control characters.
        #
        # SC2016: for a shell that comes later. SC2094: a file is only read. SC2015: the last is for a failure of any before it.
        # shellcheck disable=SC2016,SC2094,SC2015
        set -uo pipefail
        umask 077
        LC_ALL=C # ranges of characters are ASCII's
        shopt -s nullglob

        readonly BASE=$HOME/NetLogs
        readonly MAX_BYTES=${NETLOGS_MAX_BYTES:-8589934592} MAX_ENTRIES=3000 MAX_RATIO=200
        readonly SHOWN_LINES=40 SHOWN_BYTES=65536
        readonly NAME='[A-Za-z0-9][A-Za-z0-9_.-]{0,200}'
        failed=0

        usage() {
          cat << 'END'
        usage: open-netlogs.sh [DAY] [--list | --open N|all] [--merge] [--tshark] [--identity FILE]

        Unpacks the bundles of a day in ~/NetLogs, opens savefiles in Wireshark and shows the last nft lines.

          DAY              2026-11-24; the latest there is by default
          --list           opens nothing and asks nothing
          --open N|all     opens these, and does not ask
          --merge          makes one savefile of all (mergecap), and opens that
          --tshark         prints packets with `tshark -r` instead of opening Wireshark
          --identity FILE  the age identity that opens encrypted bundles

        NETLOGS_MAX_BYTES is what one bundle may unpack to (8 GiB).
        Exit code 0; 1 when a bundle could not be opened or there was nothing; 2: wrong use.
        END
        }

        say() { printf '%s\n' "$*" >&2; }
        die() {
          say "$@"
          exit 1
        }
        wrong() {
          say "open-netlogs.sh: $1 (see --help)"
          exit 2
        }

        # bad WHAT WHY: of a bundle. Its source is tried again next time.
        bad() {
          say "  $1: $2"
          failed=1 whole=no
        }

        harmless() { tr -c '\n\t -~' '?'; }

        # ---- unpacking --------------------------------------------------------------------------------------------------------

        # member: run by tar for each regular file, which is its stdin. One that is there already may be the same savefile, of
        # another run's bundle.
        # shellcheck disable=SC2317
        member() {
          local path
          [[ $TAR_REALNAME =~ ^(${PATTERN})$ ]] || exit 0
          path=$INTO/${TAR_REALNAME#*/}
          if [[ -e $path ]]; then
            [[ $(sha256sum) == "$(sha256sum < "$path")" ]] || exit 0
          else
            cat > "$path" && [[ $(stat -c %s "$path") == "$TAR_SIZE" ]] || { rm -f "$path"; exit 1; }
          fi
          echo >> "$INTO/.taken"
        }

        # bound FILE: bytes that it may unpack to.
        bound() {
          local bytes
          bytes=$(($(stat -c %s "$1") * MAX_RATIO + 1048576))
          echo "$((bytes < MAX_BYTES ? bytes : MAX_BYTES))"
        }

        # whole_gzip FILE LABEL: says it and fails where it is not.
        whole_gzip() {
          local most bytes
          [[ -s $1 ]] || { bad "$2" "it is empty"; return 1; }
          most=$(bound "$1")
          bytes=$(gzip -cd < "$1" 2> /dev/null | head -c "$((most + 1))" | wc -c) && return
          if ((bytes > most)); then bad "$2" "it unpacks to more than $most bytes"; else bad "$2" "it is not whole"; fi
          return 1
        }

        # unpack FILE INTO PATTERN LABEL: the files of a gzip of a tar whose names match PATTERN, without their first directory.
        # What is whole stays, also when the rest is bad.
        unpack() {
          local result entries taken
          mkdir -p "$2" && : > "$2/.taken" || die "$2 can't be written"
          result=$(
            MEMBER="$(declare -f member); member" INTO=$2 PATTERN=$3
            export MEMBER INTO PATTERN LC_ALL
            gzip -cd < "$1" 2> /dev/null | head -c "$(($(bound "$1") + 1))" |
              tar -xvP --to-command='exec bash -c "$MEMBER"' -f - 2> /dev/null |
              sed '\|/$|d' | head -n "$((MAX_ENTRIES + 1))" | wc -l # directories do no harm
            echo "${PIPESTATUS[*]}"
          )
          entries=${result%%$'\n'*} taken=$(wc -l < "$2/.taken")
          rm "$2/.taken"
          if ((entries > MAX_ENTRIES)); then
            bad "$4" "it has more than $MAX_ENTRIES entries"
          elif [[ ${result#*$'\n'} != '0 0 0 0 0 0' ]]; then
            ! whole_gzip "$1" "$4" || bad "$4" "its tar is not whole, or there is no room for it"
          elif ((taken != entries)); then
            bad "$4" "what does not belong there is left out (entries: $((entries - taken)))"
          fi
        }

        # open_bundle FILE LABEL: in place, by its name.
        open_bundle() {
          local file=$1 sum
          # The line is as the backup writes it; the name has no characters of sed's but dots.
          sum=$(cat "${1%/*}"/manifest*.json < /dev/null | head -c 1048576 |
            sed -nE "s/^  \"file\": \"${1##*/}\", \"bytes\": [0-9]+, \"sha256\": \"([0-9a-f]{64})\",\$/\1/p" | head -n 1)
          if [[ -z $sum ]]; then
            say "  $2: not checked, for no manifest has its SHA-256"
          elif [[ $(sha256sum < "$file") != "$sum  -" ]]; then
            bad "$2" "its SHA-256 is not that of its manifest"
            rm "$file"
            return
          fi
          if [[ $file == *.age ]]; then
            file=${file%.age}
            decrypt "$1" "$file" "$2" || return
          fi
          case ${file##*/} in
            pcaps-*)
              unpack "$file" "${file%/*}/netpcap" "netpcap/${NAME}[.]pcap([.]gz|[.]zst)?" "$2"
              rm "$file"
              ;;
            nft-*) whole_gzip "$file" "$2" || rm "$file" ;;
          esac
        }

        # decrypt FILE TO LABEL
        decrypt() {
          if [[ -z $identity ]]; then
            bad "$3" "it is encrypted; --identity FILE opens it"
          elif [[ -e $2 ]]; then
            bad "$3" "it is there without encryption, too"
          elif ! age --decrypt --identity "$identity" "$1" | head -c "$MAX_BYTES" > "$2"; then
            bad "$3" "age can't open it"
            rm "$2"
          else
            rm "$1"
            return
          fi
          rm "$1"
          return 1
        }

        # unpack_source FILE: SOURCE.tgz, unless that has been done.
        unpack_source() {
          local into=${1%.tgz} source part old bundle found whole=yes
          source=${into##*/} part=${into%/*}/.${into##*/}.part old=${into%/*}/.${into##*/}.old
          [[ $source =~ ^$NAME$ ]] || { say "  not opened: $(printf %q "$source.tgz")"; failed=1; return; }
          [[ ! -e $into/.whole || $1 -nt $into/.whole ]] || return 0
          rm -rf "$part" "$old"
          bundle="(pcaps-$DAY(-[0-9]+)?[.]tgz|nft-$DAY(-[0-9]+)?[.]log[.]gz)([.]age)?"
          unpack "$1" "$part" "$DAY/($bundle|manifest(-[0-9]+)?[.]json)" "$source.tgz"
          for bundle in "$part"/{pcaps,nft}-*; do open_bundle "$bundle" "$source: ${bundle##*/}"; done
          found=("$part"/netpcap/* "$part"/nft-*)
          if [[ $whole == yes ]]; then
            : > "$part/.whole"
          elif ((${#found[@]} == 0)); then
            rm -rf "$part" # what an earlier one has brought stays
            return
          fi
          { [[ ! -e $into ]] || mv -T "$into" "$old"; } && mv -T "$part" "$into" && rm -rf "$old" ||
            die "$into can't be written"
        }

        # ---- looking ----------------------------------------------------------------------------------------------------------

        # view FILE...: each on its own.
        view() {
          local file
          command -v "$viewer" > /dev/null || die "$viewer is not installed in this qube"
          for file; do
            if [[ $viewer == tshark ]]; then
              echo "[*] $(printf %q "$file")"
              tshark -n -r "$file" | LC_ALL=C sed 's/\xe2\x86\x92/->/g' | harmless || failed=1
            else
              (wireshark "$file" > /dev/null 2>&1 &)
            fi
          done
        }

        # merge FILE...: into one, which is viewed.
        merge() {
          local merged=$BASE/$DAY/merged.pcapng
          mergecap -w "$merged.part" "$@" && mv -fT "$merged.part" "$merged" || { rm -f "$merged.part"; die "mergecap failed"; }
          view "$merged"
        }

        # The end of each, of as much as it may unpack to.
        show_lines() {
          local file
          echo
          echo "[*] nft logs (if any):"
          for file in "$BASE/$DAY"/*/nft-*.log.gz; do
            printf '%q\n-----\n' "$file"
            gzip -cd < "$file" 2> /dev/null | head -c "$(bound "$file")" | tail -c "$SHOWN_BYTES" | tail -n "$SHOWN_LINES" |
              harmless
          done
        }

        main() {
          local identity='' pick='' ask=yes one='' viewer=wireshark file i archives savefiles
          DAY=''
          while (($# > 0)); do
            case $1 in
              -h | --help)
                usage
                exit 0
                ;;
              --list) ask=no ;;
              --merge) one=yes ;;
              --tshark) viewer=tshark ;;
              --open | --identity)
                (($# > 1)) || wrong "$1: nothing is named"
                if [[ $1 == --open ]]; then pick=${2/#all/a} ask=no; else identity=$2; fi
                shift
                ;;
              -*) wrong "unknown option $1" ;;
              *)
                [[ -z $DAY ]] || wrong "more than one day"
                DAY=$1
                ;;
            esac
            shift
          done
          if [[ -z $DAY ]]; then
            for file in "$BASE"/[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]/*.tgz; do
              DAY=${file%/*} DAY=${DAY##*/}
            done
            [[ -n $DAY ]] || die "nothing in $BASE: run pull-netlogs-to-work in dom0"
          fi
          [[ $DAY =~ ^[0-9]{4}-[0-9]{2}-[0-9]{2}$ ]] || wrong "not a day such as $(date -I): $(printf %q "$DAY")"
          readonly DAY

          archives=("$BASE/$DAY"/*.tgz)
          ((${#archives[@]} > 0)) || die "nothing of $DAY in $BASE: run pull-netlogs-to-work $DAY in dom0"
          for file in "${archives[@]}"; do unpack_source "$file"; done

          echo "[*] Available pcaps for $DAY:"
          mapfile -d '' -t savefiles < <(find "$BASE/$DAY" -mindepth 2 -type f ! -path '*/.*' \
            \( -name '*.pcap' -o -name '*.pcap.gz' -o -name '*.pcap.zst' -o -name '*.pcapng' \) -print0 | sort -z)
          for ((i = 0; i < ${#savefiles[@]}; i++)); do printf '  [%02d] %q\n' "$i" "${savefiles[i]}"; done
          ! command -v netlogs > /dev/null || echo "[*] More about it: netlogs report $DAY"
          if ((${#savefiles[@]} == 0)); then
            echo "  (none found)"
          else
            if [[ $one == yes && $ask == yes ]]; then
              pick=a
            elif [[ $ask == yes ]]; then
              echo
              read -rp "Open which pcap (index or 'a' for all, ENTER to quit)? " pick
            fi
            case $pick in
              '') ;;
              a | A) if [[ $one == yes ]]; then merge "${savefiles[@]}"; else view "${savefiles[@]}"; fi ;;
              *)
                [[ $pick =~ ^[0-9]{1,6}$ ]] && ((10#$pick < ${#savefiles[@]})) || die "Invalid choice"
                view "${savefiles[10#$pick]}"
                ;;
            esac
          fi
          show_lines
          exit "$failed"
        }

        main "$@"
        {%- endraw %}
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
{%- set release = ('128aab3debe735de567c548731a12f031c7a41be69ee77dc34e9d2282bf48ac6' ~ netlog) | sha256 %}

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
      - echo '6c0636bd091349ab28e4cc40f45b8ef88ff7b64a829c7df4b6bb47c79a661932  /usr/local/lib/qubes-netlogs/work/home/user/bin/open-netlogs.sh' | sha256sum --check --status
      {%- endif %}
      - /usr/local/sbin/qubes-netlogs-deploy --check {{ qube }}
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
      - grep -qxF {{ release }} {{ roots.source ~ release_file }}
      - {{ activate }} --check
{%- endif %}
