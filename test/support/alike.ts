import type { Test } from 'tap'
import { often } from './amount.ts'

const SAMPLES = often(400)
/** By chance alone the ranks of two equal things are as far apart as this once in 15,000 times. */
const TELLING = 4
const ROUNDS = 3

type Act = (turn: number) => Promise<unknown>

/** Two things to do, of which nobody should learn from the time which one was done; `prepare` is not timed. */
export interface Alike {
  readonly one: Act
  readonly other: Act
  readonly prepare?: Act
  readonly samples?: number
}

/** Whether their times tell the two apart. An attacker would have to see it each time. */
export async function cannotTell(t: Test, alike: Alike, what = 'the times'): Promise<void> {
  const distances: number[] = []
  while (distances.length < ROUNDS && distances.every((each) => Math.abs(each) > TELLING))
    distances.push(await takeTimes(alike))
  const least = Math.min(...distances.map(Math.abs))
  t.ok(least <= TELLING, `${what} are ${distances.map((each) => each.toFixed(1)).join()} standard deviations apart`)
}

async function takeTimes({ one, other, prepare = async () => {}, samples = SAMPLES }: Alike): Promise<number> {
  const asked = Array.from({ length: samples }, (_, turn) => ({ isOne: turn % 2 === 0, order: Math.random() }))
  const times: { ms: number; isOne: boolean }[] = []
  for (const [turn, { isOne }] of asked.toSorted((first, second) => first.order - second.order).entries()) {
    await prepare(turn)
    const began = performance.now()
    await (isOne ? one : other)(turn)
    times.push({ ms: performance.now() - began, isOne })
  }
  return distance(times)
}

/**
 * How far apart the ranks of two kinds of samples are, in standard deviations (Mann and Whitney): near 0 where nobody can tell them
 * apart.
 */
function distance(times: readonly { readonly ms: number; readonly isOne: boolean }[]): number {
  const [ones, all] = [times.filter(({ isOne }) => isOne).length, times.length]
  const others = all - ones
  const ranks = times
    .toSorted((first, second) => first.ms - second.ms)
    .map(({ isOne }, place) => (isOne ? place + 1 : 0))
    .reduce((sum, rank) => sum + rank, 0)
  const mean = (ones * (all + 1)) / 2
  return (ranks - mean) / Math.sqrt((ones * others * (all + 1)) / 12)
}
