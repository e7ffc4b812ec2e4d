/** There is more work than room for it, and nothing has been done: the client is answered 503 `busy`. */
export class Busy extends Error {
  override readonly name = 'Busy'
}
