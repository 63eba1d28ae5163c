// Users and their groups through libc, so that they are the system's wherever it has them from: <pwd.h> getpwnam, <grp.h>
// initgroups; <unistd.h> setgid and setuid, which in glibc hold for all threads.
import koffi from 'koffi';
import { libc, syscallError } from './libc.ts';

/** struct passwd of glibc, <bits/types/struct_passwd.h>. */
const passwd = koffi.struct({
  pw_name: 'const char *',
  pw_passwd: 'const char *',
  pw_uid: 'uint32_t',
  pw_gid: 'uint32_t',
  pw_gecos: 'const char *',
  pw_dir: 'const char *',
  pw_shell: 'const char *',
});

const getpwnamFn = libc.func('void *getpwnam(const char *name)');

/** Undefined when there is no user of this name, or the database says nothing. */
export function getpwnam(name: string): { readonly pw_uid: number; readonly pw_gid: number } | undefined {
  const found: unknown = getpwnamFn(name);
  return found === null ? undefined : koffi.decode(found, passwd);
}

const setgidFn = libc.func('int setgid(uint32_t gid)');
const setuidFn = libc.func('int setuid(uint32_t uid)');

/** @throws SyscallError */
export function setgid(gid: number): void {
  if (setgidFn(gid) < 0) throw syscallError('setgid');
}

/** @throws SyscallError */
export function setuid(uid: number): void {
  if (setuidFn(uid) < 0) throw syscallError('setuid');
}

const initgroupsFn = libc.func('int initgroups(const char *user, uint32_t group)');

/** Gives the process the groups that `user` is in, and `group`. @throws SyscallError */
export function initgroups(user: string, group: number): void {
  if (initgroupsFn(user, group) < 0) throw syscallError('initgroups');
}
