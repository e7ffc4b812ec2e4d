import type { Test } from 'tap'
import type { Instead } from '../../src/compose.ts'
import { buildAdminApp } from '../../src/http/admin-app.ts'
import type { App } from '../../src/http/typed-app.ts'
import { makeReadiness } from '../../src/process/readiness.ts'
import { ADMIN, ADMIN_KEY } from './env.ts'
import { type Answer, type CallOptions, callApp, type Home, openHome } from './home.ts'

/** A home with the operator's listener. */
export interface AdminHome extends Home {
  readonly adminApp: App
  /** Asks the operator's listener, with the key unless a token is given. */
  readonly admin: <Body = any>(method: string, path: string, options?: CallOptions) => Promise<Answer<Body>>
}

/** Opens a home with the operator's listener; closed with the test. */
export async function openAdminHome(
  t: Test,
  env: Record<string, string> = {},
  instead: Pick<Instead, 'store'> = {},
): Promise<AdminHome> {
  const home = await openHome({ ...ADMIN, ...env }, instead)
  const adminApp = await openAdminApp(home)
  t.teardown(async () => {
    await adminApp.close()
    await home.close()
  })
  const admin: AdminHome['admin'] = (method, path, options = {}) =>
    callApp(adminApp, method, path, { token: ADMIN_KEY, ...options })
  return { ...home, adminApp, admin }
}

/** Builds the app of the operator's listener in a home. */
export async function openAdminApp({ deps, logger }: Home): Promise<App> {
  const isDraining = () => false
  return buildAdminApp(deps, { logger, isDraining, ...makeReadiness(deps, isDraining, logger) })
}
