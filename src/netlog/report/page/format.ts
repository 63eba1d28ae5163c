// Numbers and times as the page writes them.

const COUNT = new Intl.NumberFormat('en');
const SHORT = new Intl.NumberFormat('en', { notation: 'compact' });
const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

export function count(value: number): string {
  return COUNT.format(value);
}

/** `12K`. */
export function short(value: number): string {
  return SHORT.format(value);
}

/** `1 packet`, `2 packets`. */
export function counted(value: number, noun: string, nouns: string = `${noun}s`): string {
  return `${count(value)} ${value === 1 ? noun : nouns}`;
}

/** Three digits at most, in powers of 1,000: `999 B`, `1.5 kB`, `12 MB`. */
export function bytes(value: number): string {
  let scaled = value;
  let unit = 0;
  while (Math.round(scaled) >= 1000 && unit < UNITS.length - 1) {
    scaled /= 1000;
    unit += 1;
  }
  const digits = unit > 0 && scaled < 9.95 ? 1 : 0;
  return `${scaled.toFixed(digits)} ${UNITS[unit]}`;
}

/** Of milliseconds: `40 ms`, `45 s`, `12 min`, `3 h 5 min`, `2 d 4 h`. */
export function duration(ms: number): string {
  if (ms < 0.5) return '0 s';
  if (ms < 999.5) return `${Math.round(ms)} ms`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return two(hours, 'h', minutes % 60, 'min');
  return two(Math.floor(hours / 24), 'd', hours % 24, 'h');
}

function two(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}

/** Times in one zone, in words that sort and read the same everywhere. */
export class Clock {
  readonly #date: Intl.DateTimeFormat;
  readonly #minute: Intl.DateTimeFormat;
  readonly #second: Intl.DateTimeFormat;

  /** `zone`: an IANA name. */
  constructor(zone: string) {
    const format = (options: Intl.DateTimeFormatOptions) =>
      new Intl.DateTimeFormat('en-GB', { timeZone: zone, hourCycle: 'h23', ...options });
    this.#date = format({ day: 'numeric', month: 'short' });
    this.#minute = format({ hour: '2-digit', minute: '2-digit' });
    this.#second = format({ hour: '2-digit', minute: '2-digit', second: '2-digit' });
  }

  /** `27 Nov`. */
  date(time: number): string {
    return this.#date.format(time);
  }

  /** `03:35`. */
  minute(time: number): string {
    return this.#minute.format(time);
  }

  /** `27 Nov 03:35:12`. */
  full(time: number): string {
    return `${this.date(time)} ${this.#second.format(time)}`;
  }

  /** `27 Nov 03:35 – 04:00`; the second date only where it is another. */
  span(from: number, to: number): string {
    const [first, last] = [this.date(from), this.date(to)];
    const end = first === last ? this.minute(to) : `${last} ${this.minute(to)}`;
    return `${first} ${this.minute(from)} – ${end}`;
  }
}
