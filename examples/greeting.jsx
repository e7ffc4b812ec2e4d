import { useSession } from '@latchkey/client/react'
import { client } from './page.mjs'

export function Greeting() {
  const session = useSession(client)
  return session.status === 'in' ? <p>Welcome, {session.userId}</p> : <p>Log in</p>
}
