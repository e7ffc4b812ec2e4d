import type { Scenario } from './scenario.ts'
import { anotherServer } from './scenarios/a-another-server.ts'
import { cart } from './scenarios/b-cart.ts'
import { settings } from './scenarios/c-settings.ts'
import { restarts } from './scenarios/d-restarts.ts'
import { logout } from './scenarios/e-logout.ts'
import { password } from './scenarios/f-password.ts'
import { answers } from './scenarios/g-answers.ts'
import { clusterLosesPrimary } from './scenarios/h-cluster.ts'
import { sentinelFailover } from './scenarios/h-sentinel.ts'
import { storeFails } from './scenarios/h-store.ts'
import { clocks } from './scenarios/i-clocks.ts'
import { realBrowser } from './scenarios/j-browser.ts'

/** All of them, in the order in which a fleet goes through them. */
export const SCENARIOS: readonly Scenario[] = [
  anotherServer,
  cart,
  settings,
  restarts,
  logout,
  password,
  answers,
  storeFails,
  sentinelFailover,
  clusterLosesPrimary,
  clocks,
  realBrowser,
]
