// The limit of logins: a bare process that does nothing but argon2 checks, as many at once as the service lets run.
import argon2 from 'argon2'
import { createServer } from 'node:http'
import { availableParallelism } from 'node:os'

const { HOST, PORT, ARGON2_MEMORY_KIB, ARGON2_PASSES, ARGON2_LANES, UV_THREADPOOL_SIZE = 4 } = process.env
const slots = Math.min(availableParallelism(), Number(UV_THREADPOOL_SIZE))
const password = 'seven red bicycles in the rain'
const hash = await argon2.hash(password, {
  memoryCost: Number(ARGON2_MEMORY_KIB),
  timeCost: Number(ARGON2_PASSES),
  parallelism: Number(ARGON2_LANES),
})

async function checkFor(ms) {
  const from = performance.now()
  let answers = 0
  async function fillSlot() {
    for (; performance.now() - from < ms; answers += 1) await argon2.verify(hash, password)
  }
  await Promise.all(Array.from({ length: slots }, fillSlot))
  return { answers, failures: 0, ms: performance.now() - from }
}

// One request is a whole stretch of checks: POST /300 checks for 300 ms.
createServer((request, response) => {
  void answer(request, response)
}).listen(Number(PORT), HOST)

async function answer(request, response) {
  response.end(request.method === 'POST' ? JSON.stringify(await checkFor(Number(request.url.slice(1)))) : '')
}
