// Of several runs' values: the median, and how far they lie apart. Pure.

/** Smallest, median, largest; NaN of nothing. */
export type Spread = readonly [number, number, number];

export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (index: number): number => sorted[index] ?? Number.NaN;
  const middle = (sorted.length - 1) / 2;
  return [at(0), (at(Math.floor(middle)) + at(Math.ceil(middle))) / 2, at(sorted.length - 1)];
}

/** `0.66 (0.65-0.79)`, only the median when all are alike, `-` of nothing. */
export function spreadText([min, median, max]: Spread, digits: number): string {
  if (!Number.isFinite(median)) return '-';
  const [low, middle, high] = [min, median, max].map((value) => groupDigits(value.toFixed(digits)));
  return low === high ? String(middle) : `${middle} (${low}-${high})`;
}

/** `8000000` as `8,000,000`. */
function groupDigits(text: string): string {
  return text.replace(/^\d+/, (whole) => whole.replace(/\B(?=(\d{3})+$)/g, ','));
}
