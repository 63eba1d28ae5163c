// What the kernel accounts to another process: CPU time in nanoseconds while it runs, and all of it once it has ended. The
// files of proc(5) and time(1) have ticks of 10 ms, which is as much as some captures use in a minute.
import { readFileSync } from 'node:fs';
import { libc, syscallError } from '../src/native/libc.ts';

const getcpuclockidFn = libc.func('int clock_getcpuclockid(int pid, _Out_ int *clock_id)');
const gettimeFn = libc.func('int clock_gettime(int clock_id, void *timespec)');
const waitidFn = libc.func('long syscall(long number, int idtype, int id, void *siginfo, int options, void *rusage)');

/** glibc's waitid(3) has no rusage; the system call does. */
const SYS_waitid: Readonly<Record<string, number>> = { x64: 247, arm64: 95 };
const P_PID = 1;
const WNOHANG = 1;
const WEXITED = 4;
/** The process stays to be waited for by whoever started it. */
const WNOWAIT = 0x1000000;
/** struct siginfo and struct rusage of 64-bit Linux. */
const SIGINFO_LENGTH = 128;
const SI_PID = 16;
const RUSAGE_LENGTH = 144;

/**
 * User and system time of all threads so far, those included that have ended: the scheduler's own sum (clock_gettime of the
 * process's clock), exact to the nanosecond. Of /proc/PID/schedstat only the first thread's is.
 * @throws SyscallError when there is no such process
 */
export function cpuSecOf(pid: number): number {
  const clock = [0];
  const failed: number = getcpuclockidFn(pid, clock);
  if (failed !== 0) throw new Error(`clock_getcpuclockid: no process ${pid}`);
  const timespec = new BigInt64Array(2);
  if (gettimeFn(clock[0], timespec) < 0) throw syscallError('clock_gettime');
  return Number(timespec[0]) + Number(timespec[1]) / 1e9;
}

/** Bytes of memory that process `pid` has had at once, 0 when it has just ended: proc_pid_status(5), VmHWM. */
export function peakRssOf(pid: number): number {
  const kib = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib ?? 0) * 1024;
}

/**
 * User and system time of a child that has ended, its own children's included; undefined while it runs. Of the same sum as
 * `cpuSecOf`, to the microsecond. Not to be called for a child that Node has reaped: so from the moment it may end, the event
 * loop must not have a turn.
 */
export function endedCpuSec(pid: number): number | undefined {
  const number = SYS_waitid[process.arch];
  if (number === undefined) throw new Error(`number of waitid(2) unknown on ${process.arch}`);
  const siginfo = new DataView(new ArrayBuffer(SIGINFO_LENGTH));
  const rusage = new BigInt64Array(RUSAGE_LENGTH / 8);
  const result: number = waitidFn(
    number,
    P_PID,
    pid,
    new Uint8Array(siginfo.buffer),
    WEXITED | WNOHANG | WNOWAIT,
    rusage,
  );
  if (result < 0) throw syscallError('waitid');
  if (siginfo.getInt32(SI_PID, true) !== pid) return undefined;
  const [userSec, userUsec, systemSec, systemUsec] = rusage; // ru_utime, ru_stime
  return Number(userSec) + Number(systemSec) + (Number(userUsec) + Number(systemUsec)) / 1e6;
}
