import { Refused } from '@latchkey/client'
import { finishLogin } from '@latchkey/client/factors'

/** Logs in; `askForCode` asks the person for what the app shows. */
export async function logIn(client, credentials, askForCode) {
  try {
    return await client.login(credentials)
  } catch (error) {
    if (!(error instanceof Refused) || error.code !== 'second_factor_required') throw error
    return finishLogin(client, { challenge: error.problem.challenge, totp: await askForCode() })
  }
}
