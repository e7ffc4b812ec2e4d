import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type Batch, inBatches } from '../../src/commands/admin/import-batches.ts'
import { MAX_BODY_BYTES, readLines } from '../../src/commands/admin/lines.ts'

// What an import makes of a file: which lines it sends, with which ids, and where each begins.

const SEED = 'c2VlZCBvZiBhIHRlc3QsIHdoaWNoIGlzIG5vIHNlY3JldA'
const BEGINNING = { number: 0, end: 0 }

async function fileOf(t: Test, content: string | Buffer): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'latchkey-lines-'))
  t.teardown(() => rm(dir, { recursive: true }))
  await writeFile(join(dir, 'users'), content)
  return join(dir, 'users')
}

async function batchesOf(path: string, most = 1000, after = BEGINNING): Promise<Batch[]> {
  const batches: Batch[] = []
  for await (const batch of inBatches(readLines(path, after), SEED, () => most)) batches.push(batch)
  return batches
}

t.test('a line has its number and its place, whatever ends it, and wherever the reading begins', async (t) => {
  const lines = ['{"id":"a"}', '', '{"id":"가나"}\r', '   ', 'x'.repeat(200_000), '{"id":"last"}']
  const path = await fileOf(t, lines.join('\n'))
  const all: object[] = []
  for await (const line of readLines(path, BEGINNING)) {
    all.push(line)
    const rest: object[] = []
    for await (const each of readLines(path, line)) rest.push(each)
    t.equal(rest.length, lines.length - line.number)
  }
  let end = 0
  t.strictSame(
    all,
    lines.map((text, place) => {
      end += Buffer.byteLength(text) + (place === lines.length - 1 ? 0 : 1)
      return { number: place + 1, text, fault: null, end }
    }),
  )
})

t.test('a line without an id gets one, the same each time, and another one of its own in another import', async (t) => {
  const path = await fileOf(
    t,
    '{"email":"a@example.org"}\n{"email":"a@example.org"}\n{"id":"mine","email":"b@example.org"}\n',
  )
  const [batch, again] = [await batchesOf(path), await batchesOf(path, 1)]
  const texts = batch.flatMap(({ sent }) => sent.map(({ text }) => text))
  t.strictSame(
    again.flatMap(({ sent }) => sent.map(({ text }) => text)),
    texts,
  )
  const [first, second, third] = texts.map((text) => JSON.parse(text))
  t.match(first, { id: /^[\w-]{22}$/, email: 'a@example.org' })
  t.match(second, { id: /^[\w-]{22}$/, email: 'a@example.org' })
  t.not(first.id, second.id, 'the service says of the second that the address is taken')
  t.strictSame(third, { id: 'mine', email: 'b@example.org' })
  const other: string[] = []
  for await (const { sent } of inBatches(readLines(path, BEGINNING), SEED.slice(1), () => 10))
    other.push(...sent.map(({ text }) => JSON.parse(text).id))
  t.notOk(other.includes(first.id))
})

t.test('numbers and members of a line are sent as they are written', async (t) => {
  const line = '{"email":"a@example.org", "app": {"big": 12345678901234567890, "x": 1.0}}'
  const [batch] = await batchesOf(await fileOf(t, `\uFEFF${line}`))
  t.equal(batch?.sent[0]?.text.replace(/^\{"id":"[\w-]{22}",/, '{'), line)
})

t.test(
  'what is no object in UTF-8, or too long, is refused without being sent, and blank lines are passed over',
  async (t) => {
    const good = '{"id":"a","email":"a@example.org"}'
    const parts = ['[]', 'null', '{}', '"text"', '{"id":', '', good, 'x'.repeat(MAX_BODY_BYTES)]
    const content = Buffer.concat([Buffer.from(`${parts.join('\n')}\n`), Buffer.from([0x7b, 0xff, 0x7d, 0x0a])])
    const [batch, ...others] = await batchesOf(await fileOf(t, content))
    t.strictSame(others, [])
    t.strictSame(batch?.sent, [{ number: 7, text: good }])
    t.strictSame(
      batch?.refused.map(({ line, code }) => [line, code]),
      [...[1, 2, 3, 4, 5].map((line) => [line, 'bad_request']), [8, 'too_large'], [9, 'bad_request']],
    )
    t.strictSame(batch?.last, { number: 9, end: content.length })
  },
)

t.test('a batch has no more lines than are wanted, and no more bytes than the service takes', async (t) => {
  const line = (place: number) => JSON.stringify({ id: `${place}`, email: 'a'.repeat(40_000) })
  const path = await fileOf(t, Array.from({ length: 30 }, (_, place) => line(place)).join('\n'))
  const batches = await batchesOf(path)
  for (const { sent } of batches)
    t.ok(Buffer.byteLength(sent.map(({ text }) => `${text}\n`).join('')) <= MAX_BODY_BYTES)
  t.strictSame(
    batches.map(({ sent }) => sent.length),
    [6, 6, 6, 6, 6],
  )
  t.strictSame(
    (await batchesOf(path, 4)).map(({ sent, last }) => [sent.length, last.number]),
    [...[4, 8, 12, 16, 20, 24, 28].map((last) => [4, last]), [2, 30]],
  )
  const [, second] = batches
  const rest = await batchesOf(path, 1000, second?.last)
  t.equal(rest[0]?.sent[0]?.number, 13, 'it goes on after any batch')
  t.strictSame(await batchesOf(await fileOf(t, '')), [])
})
