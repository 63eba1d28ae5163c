// A piece of a file in memory, with room before it for what the piece before left over: a record that is cut in two by the
// end of a read is put together there. Input owns two of these and fills them in turns.

/**
 * What is left over fits for nearly every file: the longest record of most link types, and its headers. glibc gives large
 * memory 16 bytes behind a page's start; so what is read begins with a page, and a copy of a file is written from the same
 * offset in a page as it goes to: a tenth less of the kernel's time (native-notes/offline.md).
 */
const ROOM: number = 65 * 4096 - 16;

export class Chunk {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Where what is read goes; before it is the room. */
  readonly start: number;

  constructor(size: number, room: number = ROOM) {
    const memory = new ArrayBuffer(room + size);
    this.bytes = new Uint8Array(memory);
    this.view = new DataView(memory);
    this.start = room;
  }

  get size(): number {
    return this.bytes.length - this.start;
  }
}
