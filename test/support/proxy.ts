import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from './free-port.ts'

/** A TCP proxy on 127.0.0.1 that fails as told; each way of failing replaces the one before. */
export type Proxy = {
  readonly port: number
  /** Forwards everything, also what `freeze` held back, and listens again after `cut`. */
  readonly pass: () => Promise<void>
  /** Replies come this much later, in order. */
  readonly delay: (ms: number) => Promise<void>
  /** A black hole: connections stay and can be made, nothing comes through, not even their end. */
  readonly freeze: () => Promise<void>
  /** Resets all connections and refuses new ones. */
  readonly cut: () => Promise<void>
  /** Forwards requests and drops the next `count` chunks of replies (of those that `isMeant`), then resets the connections that missed one; `Infinity`: all, each reset at once. */
  readonly loseReplies: (count: number, isMeant?: (chunk: Buffer) => boolean) => Promise<void>
  /** How many clients are connected. */
  readonly connections: () => number
  readonly stop: () => Promise<void>
}

type Pair = { readonly client: Socket; readonly server: Socket; missedReply: boolean }
type Gate = { readonly opened: Promise<void>; open(): void }

/** Starts a proxy to a port of 127.0.0.1; it forwards everything until told otherwise. */
export async function startProxy(targetPort: number): Promise<Proxy> {
  const port = await freePort()
  const pairs = new Set<Pair>()
  let gate = openGate()
  let delayMs = 0
  let toLose = 0
  let isToLose = (_chunk: Buffer) => true

  const listener = createServer((client) => {
    const pair: Pair = { client, server: connect(targetPort, '127.0.0.1'), missedReply: false }
    pairs.add(pair)
    client.on('close', () => pairs.delete(pair))
    carry(client, pair.server, (chunk) => pair.server.write(chunk))
    carry(pair.server, client, (chunk) => reply(pair, chunk), late)
  })

  // In order, each chunk after its own wait, and none while the gate is closed.
  function carry(from: Socket, to: Socket, forward: (chunk: Buffer) => void, wait = async () => {}) {
    let last = Promise.resolve()
    const then = (act: () => void) => {
      const waited = wait()
      last = last
        .then(() => waited)
        .then(() => gate.opened)
        .then(act)
    }
    from.on('data', (chunk) => then(() => forward(chunk)))
    from.on('close', () => then(() => to.destroySoon()))
    from.on('error', () => {}) // 'close' follows
  }

  async function late() {
    if (delayMs > 0) await sleep(delayMs, undefined, { ref: false })
  }

  function reply(pair: Pair, chunk: Buffer) {
    if (toLose === 0 || !isToLose(chunk)) {
      pair.client.write(chunk)
      return
    }
    pair.missedReply = true
    toLose -= 1
    if (toLose === 0 || toLose === Infinity) reset((each) => each.missedReply)
  }

  function reset(isMeant: (pair: Pair) => boolean) {
    for (const pair of pairs) {
      if (!isMeant(pair)) continue
      pairs.delete(pair)
      pair.client.resetAndDestroy()
      pair.server.destroy()
    }
  }

  function calm() {
    reset((pair) => pair.missedReply)
    gate.open()
    delayMs = 0
    toLose = 0
  }

  async function pass() {
    calm()
    if (!listener.listening) await once(listener.listen(port, '127.0.0.1'), 'listening')
  }

  async function cut() {
    calm()
    listener.close()
    reset(() => true)
  }

  await pass()
  return {
    port,
    pass,
    cut,
    async delay(ms) {
      await pass()
      delayMs = ms
    },
    async freeze() {
      await pass()
      gate = closedGate()
    },
    async loseReplies(count, isMeant = () => true) {
      await pass()
      isToLose = isMeant
      toLose = count
    },
    connections: () => pairs.size,
    stop: cut,
  }
}

function openGate(): Gate {
  return { opened: Promise.resolve(), open() {} }
}

function closedGate(): Gate {
  let open = () => {}
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  return { opened, open }
}
