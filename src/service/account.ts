// `-Z`: another user to go on as, once what takes privileges is open. Called by capture/open.ts.
import { CaptureError, systemErrors } from '../errors.ts';
import { getpwnam, initgroups } from '../native/passwd.ts';

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
   * @throws SyscallError
   */
  become(): void {
    initgroups(this.#name, this.gid);
    systemErrors(() => {
      process.setgid?.(this.gid);
      process.setuid?.(this.uid);
    });
  }
}
