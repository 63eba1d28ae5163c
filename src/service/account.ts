// `-Z`: another user to go on as, once what takes privileges is open. Called by capture/open.ts.
import { readdirSync, readFileSync } from 'node:fs';
import { CaptureError, SyscallError } from '../errors.ts';
import { getpwnam, initgroups, setgid, setuid } from '../native/passwd.ts';
import { dropBoundingSet, dropCapabilities, setNoNewPrivileges } from '../native/privileges.ts';

export class Account {
  readonly uid: number;
  readonly gid: number;
  readonly #name: string;

  private constructor(name: string, uid: number, gid: number) {
    this.#name = name;
    this.uid = uid;
    this.gid = gid;
  }

  /**
   * Undefined where nothing is to be given up: we are not root, and tcpdump does not look at the name then, either; or root is
   * asked for. @throws CaptureError
   */
  static find(name: string): Account | undefined {
    if (process.geteuid?.() !== 0) return undefined;
    const found = getpwnam(name);
    if (found === undefined) throw new CaptureError('ERR_USER', `Couldn't find user '${name}'`); // tcpdump's words
    return found.pw_uid === 0 ? undefined : new Account(name, found.pw_uid, found.pw_gid);
  }

  /**
   * From here on this process, all its threads and what it starts are this user's, without any capability and any way to
   * one, set-user-ID programs included, for good. What the kernel then says of each thread is looked at.
   * @throws CaptureError ERR_USER, ERR_SECCOMP, SyscallError, and then the process must end: it may have given up a part
   */
  become(): void {
    if (filesMayKeepRights())
      throw new CaptureError(
        'ERR_USER',
        `-Z ${this.#name}: libuv ${process.versions.uv} may write files with the rights of before by an io_uring, start with UV_USE_IO_URING=0`,
      );
    dropBoundingSet(); // where even that is not allowed, no_new_privs alone has to do
    initgroups(this.#name, this.gid);
    setgid(this.gid);
    setuid(this.uid);
    dropCapabilities();
    setNoNewPrivileges();
    this.#verify();
  }

  #verify(): void {
    const none = '0000000000000000';
    const [uid, gid] = [this.uid, this.gid].map((id) => [id, id, id, id].join('\t'));
    const groups = process.getgroups?.().join(' ');
    const expected = { Uid: uid, Gid: gid, Groups: groups, CapPrm: none, CapEff: none, CapAmb: none, NoNewPrivs: '1' };
    for (const [thread, status] of threads()) {
      for (const [name, value] of Object.entries(expected)) {
        const found = new RegExp(`^${name}:\\s*(.*?)\\s*$`, 'm').exec(status)?.[1];
        if (found === value) continue;
        const words = `thread ${thread} has ${name} ${found} instead of ${value}`.replaceAll('\t', ' ');
        throw new CaptureError('ERR_USER', `-Z ${this.#name}: ${words}`);
      }
    }
  }
}

/** Of each thread of this process, what proc(5) has as its status. */
function threads(): [string, string][] {
  const directory = '/proc/self/task';
  try {
    return readdirSync(directory).map((thread) => [thread, readFileSync(`${directory}/${thread}/status`, 'latin1')]);
  } catch (cause) {
    throw SyscallError.from(cause, directory);
  }
}

/**
 * What a kernel thread does for an io_uring it does with the rights of when that was made (CVE-2024-22017). libuv has used
 * one for files since 1.45, where the environment says so or, up to 1.48, does not forbid it; the one within Node's own
 * builds only where it says so. From 1.49 on it takes more than the environment.
 */
function filesMayKeepRights(): boolean {
  const asked = process.env['UV_USE_IO_URING'];
  if (asked !== undefined) return Number(asked) !== 0;
  const [major = 0, minor = 0] = process.versions.uv.split('.').map(Number);
  const shared = new Map<string, unknown>(Object.entries(process.config.variables)).get('node_shared_libuv') === true;
  return shared && major === 1 && minor >= 45 && minor < 49;
}
