// `-Z`: another user to go on as, once what takes privileges is open. Called by capture/open.ts.
import { CaptureError } from '../errors.ts';
import { getpwnam, initgroups, setgid, setuid } from '../native/passwd.ts';

export class Account {
  readonly uid: number;
  readonly gid: number;
  readonly #name: string;

  private constructor(name: string, uid: number, gid: number) {
    this.#name = name;
    this.uid = uid;
    this.gid = gid;
  }

  /** Undefined where we are not root, who alone can change; tcpdump does not look at the name then, either. @throws CaptureError */
  static find(name: string): Account | undefined {
    if (process.geteuid?.() !== 0) return undefined;
    const found = getpwnam(name);
    if (found === undefined) throw new CaptureError('ERR_USER', `Couldn't find user '${name}'`); // tcpdump's words
    return new Account(name, found.pw_uid, found.pw_gid);
  }

  /**
   * From here on this process, all its threads and what it starts are this user's, without any capability, for good.
   * @throws CaptureError ERR_USER, SyscallError
   */
  become(): void {
    if (filesMayKeepRights())
      throw new CaptureError(
        'ERR_USER',
        `-Z ${this.#name}: libuv ${process.versions.uv} may write files with the rights of before by an io_uring, start with UV_USE_IO_URING=0`,
      );
    initgroups(this.#name, this.gid);
    setgid(this.gid);
    setuid(this.uid);
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
