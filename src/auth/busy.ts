/** More work than there is room for: the caller says 503 `busy`, nothing has been done. */
export class Busy extends Error {
  override readonly name = 'Busy'
}
