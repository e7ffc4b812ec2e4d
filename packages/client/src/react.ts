import { useSyncExternalStore } from 'react'
import type { Client, Snapshot } from './index.js'

/** The session of now; the component is rendered again when it changes. */
export function useSession({ subscribe, getSnapshot }: Client): Snapshot {
  return useSyncExternalStore(subscribe, getSnapshot, getSnapshot)
}
