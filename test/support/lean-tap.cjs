// Loaded before each file of tests: tap follows every promise by async hooks, to say in which subtest something was thrown that nobody
// caught. That takes up to a tenth of the processor time, of the model a sixth or more. Without them such a file ends there, and fails all
// the same.

const hooks = require('node:async_hooks')

const idle = { enable: () => idle, disable: () => idle }
hooks.createHook = () => idle
require('node:module').syncBuiltinESMExports()
