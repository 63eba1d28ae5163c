#!/bin/sh
# start.sh NAME DIRECTORY ARGUMENT...: boots a container on an overlay of this machine's root; what it writes is kept in
# DIRECTORY/upper, or only in DIRECTORY/kept where there is such a directory. ARGUMENTs are systemd-nspawn's. test/boot/container.ts runs it in mount and process namespaces of its
# own, as their first process: its end is that of all that is in there, mounts included.
set -eu
name=$1 directory=$2 root=$2/root
shift 2
if [ -e "$directory/kept" ]; then
  rm -rf "$directory/upper" "$directory/work" "$directory/prepared"
  mkdir "$directory/upper" "$directory/work"
fi
mount -t overlay overlay -o "lowerdir=/,upperdir=$directory/upper,workdir=$directory/work" "$root"

# It is not this machine: none of its services and timers is enabled, and its identity and journal stay outside.
if [ ! -e "$directory/prepared" ]; then
  rm -rf "$root"/etc/systemd/system/*.wants "$root"/var/log/journal
  ln -sfn /lib/systemd/system/multi-user.target "$root/etc/systemd/system/default.target"
  for unit in getty.target systemd-networkd.service systemd-resolved.service; do
    ln -sfn /dev/null "$root/etc/systemd/system/$unit"
  done
  echo "$name" > "$root/etc/hostname"
  rm -f "$root/etc/machine-id"
  tr -d - < /proc/sys/kernel/random/uuid > "$root/etc/machine-id"
  : > "$directory/prepared"
fi

# What nspawn notes down for other programs would outlive it where it is killed.
mkdir -p /run/systemd/nspawn
mount -t tmpfs tmpfs /run/systemd/nspawn
# The overlay's own directories can't be looked up through the overlay: /var/tmp is another one inside.
systemd-nspawn --quiet --directory "$root" --machine "$name" --boot --register=no --keep-unit --link-journal=no \
  --capability=CAP_NET_ADMIN,CAP_NET_RAW --tmpfs=/var/tmp --console=pipe "$@"
exit $? # no exec, which dash would do: as a first process nspawn would log to the kernel
