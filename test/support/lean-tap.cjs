// Loaded before each file of tests: leaves out two things that tap does for reports that we do not ask for.

// It follows every promise, to say in which subtest something was thrown that nobody caught. That takes up to a tenth of the processor
// time, of the model a sixth or more. Without it such a file ends there, and fails all the same.
const hooks = require('node:async_hooks')
const idle = { enable: () => idle, disable: () => idle }
hooks.createHook = () => idle

// It lists every module that is loaded, by hooks that take half a second of processor time a file, of those that run combined two.
const modules = require('node:module')
modules.register = () => {}
modules.registerHooks = () => idle

modules.syncBuiltinESMExports()
