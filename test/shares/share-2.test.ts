import { runShare } from '../support/share.ts'

runShare(2)
