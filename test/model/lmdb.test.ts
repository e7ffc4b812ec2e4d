import t from 'tap'
import { playOn } from './histories.ts'

t.test('every history on LMDB is one the contract allows', async (t) => playOn(t, {}))
