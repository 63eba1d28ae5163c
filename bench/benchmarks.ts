// Every benchmark there is, in the order in which they run and stand on the page.
import { burst } from './burst.ts';
import { capture } from './capture.ts';
import type { Benchmark } from './cell.ts';
import { idle } from './idle.ts';
import { micro } from './micro.ts';
import { offline } from './offline.ts';
import { quota } from './quota.ts';
import { rotation } from './rotation.ts';
import { start } from './start.ts';

export const BENCHMARKS: readonly Benchmark[] = [capture, quota, rotation, burst, idle, start, offline, micro];
