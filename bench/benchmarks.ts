// Every benchmark there is, in the order in which they run and stand on the page.
import { capture } from './capture.ts';
import type { Benchmark } from './cell.ts';
import { micro } from './micro.ts';
import { offline } from './offline.ts';

export const BENCHMARKS: readonly Benchmark[] = [capture, offline, micro];
