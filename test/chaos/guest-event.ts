// What the guest tells, a line of JSON each. Sent by guest.ts, received by machine.ts.

export type GuestEvent =
  /** The program's first file is open and its ring receives; packets are being sent from now on. */
  | { readonly type: 'capturing' }
  /** Numbers below `next` have been sent, or some of them could not be. */
  | { readonly type: 'sent'; readonly next: number }
  /** A savefile has got its final name. */
  | { readonly type: 'published'; readonly name: string; readonly bytes: number }
  /** The wall clock was set, by so much against the monotonic one. */
  | { readonly type: 'step'; readonly byMs: number }
  /** The program has ended, when told to or not. */
  | { readonly type: 'ended'; readonly code: number | null; readonly stderr: string }
  /** guest.ts itself does not work. */
  | { readonly type: 'failed'; readonly reason: string };
