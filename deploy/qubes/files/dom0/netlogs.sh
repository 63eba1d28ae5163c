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
