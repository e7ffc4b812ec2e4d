import { createClient } from '@latchkey/client'

const [service, api] = ['http://localhost:3000', 'http://localhost:4000']
export const client = createClient({ baseUrl: service, transport: 'cookie', origins: [api] })
client.resume().catch(() => {}) // the service is away: the client asks again by itself, and its snapshot tells
export const logIn = (email, password) => client.login({ email, password })
export const whoAmI = () => client.fetch(api).then((answer) => answer.text())
