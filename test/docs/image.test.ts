import { readFileSync } from 'node:fs'
import t from 'tap'

// The image cannot be built where the tests run: what it is built of can be looked at.

t.test('whatever the Dockerfile copies gets into the context of the build', (t) => {
  const linesOf = (file: string) => readFileSync(file, 'utf8').split('\n')
  const copied = linesOf('Dockerfile').flatMap((line) => {
    const [, words] = /^COPY (?!--from)(.+)$/.exec(line) ?? []
    return words?.split(' ').slice(0, -1) ?? []
  })
  const passed = new Set(linesOf('.dockerignore').flatMap((line) => /^!(.+)$/.exec(line)?.[1] ?? []))
  t.ok(copied.length > 3)
  t.strictSame(new Set(copied), passed)
  t.end()
})
