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
