import t from 'tap'
import { playOn, RUNS } from './histories.ts'

// A quarter of those on Redis: each of their commits is on the disk before it is answered.
t.test('every history on LMDB is one the contract allows', async (t) => playOn(t, {}, RUNS / 4))
