import type { Scenario } from '../scenario.ts'
import { together } from '../scenario.ts'
import { newVisitors } from '../visitor.ts'

export const anotherServer: Scenario = {
  letter: 'A',
  name: 'another server answers',
  about: 'People log in and make 50 requests each; after the 25th they leave the house, and come from another network.',
  async run(trial) {
    const visitors = await newVisitors(trial, trial.size(2, 16))
    await together(visitors.length, async (turn) => {
      const visitor = visitors[turn]
      for (let request = 0; request < 50; request += 1) {
        if (request === 25) visitor?.device.move({ from: `127.1.${turn + 1}.2` })
        await visitor?.visit()
      }
    })
  },
}
