// What Linux lets a thread give up for good: prctl(2), capset(2), seccomp(2), under their C names. All but seccomp hold for
// the calling thread alone, and for threads and programs that it starts later; native-notes/privileges.md says what
// follows. Called by service/account.ts on the main thread.
import { CaptureError } from '../errors.ts';
import { libc, sock_fprog, syscallError } from './libc.ts';

// <linux/prctl.h>
const PR_CAPBSET_READ = 23;
const PR_CAPBSET_DROP = 24;
const PR_SET_NO_NEW_PRIVS = 38;
// <linux/capability.h>
const _LINUX_CAPABILITY_VERSION_3 = 0x20080522;
// <linux/seccomp.h>
const SECCOMP_SET_MODE_FILTER = 1;
const SECCOMP_FILTER_FLAG_TSYNC = 1;
/** Without it, kernels before 5.16 slow down every load behind a store. */
const SECCOMP_FILTER_FLAG_SPEC_ALLOW = 4;
/** BPF_RET | BPF_K with SECCOMP_RET_ALLOW. */
const ALLOW = Uint8Array.of(0x06, 0, 0, 0, 0, 0, 0xff, 0x7f);
/** <asm/unistd.h>; glibc has no function of this name. */
const SYS_seccomp: Readonly<Record<string, number>> = { x64: 317, arm64: 277 };

// Variadic in C; on Linux integers and pointers are passed all the same, on both of our architectures.
const prctlFn = libc.func(
  'int prctl(int option, unsigned long arg2, unsigned long arg3, unsigned long arg4, unsigned long arg5)',
);
const capsetFn = libc.func('int capset(void *header, const void *data)');
const syscallFn = libc.func('long syscall(long number, unsigned long operation, unsigned long flags, void *args)');

/** Empties the set that limits what any program started from here can get. False without CAP_SETPCAP. @throws SyscallError */
export function dropBoundingSet(): boolean {
  for (let capability = 0; prctlFn(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0; capability++) {
    if (prctlFn(PR_CAPBSET_DROP, capability, 0, 0, 0) === 0) continue;
    const error = syscallError('prctl PR_CAPBSET_DROP');
    if (error.code === 'EPERM') return false;
    throw error;
  }
  return true;
}

/** No capability is permitted, effective, inheritable or, therefore, ambient any more. @throws SyscallError */
export function dropCapabilities(): void {
  const header = new Uint32Array([_LINUX_CAPABILITY_VERSION_3, 0]); // 0: the calling thread
  if (capsetFn(header, new Uint32Array(6)) < 0) throw syscallError('capset');
}

/**
 * Nothing that any thread of this process executes from here on has more rights than it. @throws SyscallError, and
 * CaptureError ERR_SECCOMP when a thread has a seccomp filter of its own
 */
export function setNoNewPrivileges(): void {
  if (prctlFn(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) throw syscallError('prctl PR_SET_NO_NEW_PRIVS');
  // A filter that allows everything, since handing it to all threads hands them no_new_privs as well.
  const flags = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW;
  const number = SYS_seccomp[process.arch];
  if (number === undefined) throw new CaptureError('ERR_SECCOMP', `seccomp(2) has no number for ${process.arch}`);
  const result = Number(syscallFn(number, SECCOMP_SET_MODE_FILTER, flags, sock_fprog(ALLOW)));
  if (result < 0) throw syscallError('seccomp');
  if (result > 0) throw new CaptureError('ERR_SECCOMP', `thread ${result} has a seccomp filter of its own`);
}
