// make outdated: is there something newer than what is pinned? Asks the charts' repositories; offline it says so.
import { newestChart, pins } from '../charts.ts'
import { paint, print } from '../output.ts'
import { sizeOf } from './versions.ts'

interface Answer {
  name: string
  pinned: string
  newest?: string
  appVersion?: string
  /** Why nobody knows. */
  unknown?: string
}

/** @returns always 0: to be behind is no failure, and neither is a machine without a network */
export async function printNewer(helm: string, json: boolean): Promise<number> {
  const answers = await Promise.all(
    Object.entries(pins()).map(async ([name, pin]): Promise<Answer> => {
      const found = await newestChart(name, pin, helm)
      return { name, pinned: pin.version, ...found }
    }),
  )
  if (json) {
    print(JSON.stringify({ event: 'outdated', charts: answers }))
    return 0
  }
  const asked = answers.filter(({ newest }) => newest !== undefined)
  const offline = answers.filter(({ unknown }) => unknown !== undefined)
  for (const { name, pinned, newest = '', appVersion } of asked) {
    const size = sizeOf(pinned, newest)
    const text =
      size === 'equal' || size === 'downgrade'
        ? 'the newest'
        : `${newest}${appVersion ? ` (${appVersion})` : ''} is there: ${size}`
    const mark = size === 'equal' || size === 'downgrade' ? paint('green', '✓') : paint('yellow', '↑')
    print(`${mark} ${`${name} ${pinned}`.padEnd(28)} ${text}`)
  }
  if (offline.length) print(`? not asked: ${offline.map(({ name, unknown }) => `${name} (${unknown})`).join(', ')}`)
  print('\nRenovate looks at charts, images and tools, and proposes each as a change in Git; nothing moves by itself.')
  print('next: merge what you want, then make upgrade')
  return 0
}
