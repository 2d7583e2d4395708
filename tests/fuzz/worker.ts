// Runs case after case in a process of its own, so that one that never ends, or ends the process, is seen from outside.
import { openSync, writeSync } from 'node:fs'
import { random } from '../fixtures/random.ts'
import { mutate } from './mutate.ts'
import { type Planted, plant } from './planted.ts'
import { badAnswer, createTargets, Place } from './targets.ts'

export interface Job {
  seed: number
  /** The first case. */
  from: number
  /** Milliseconds since 1970 at which to stop. */
  until: number
  /** A file for the number of the case under way. */
  progress: string
  planted?: Planted
}

export interface Finding {
  index: number
  target: string
  problem: string
  content: string
}

export interface Done {
  cases: number
  accepted: number
  refused: number
  finding?: Finding
}

const job = JSON.parse(process.argv[2] ?? '') as Job
const progress = openSync(job.progress, 'w')

/** Which target and which bytes a case is: the seed and its number say all. */
const caseOf = (index: number, targets: number) => {
  const chance = random(Math.imul(job.seed, 2_654_435_761) ^ Math.imul(index + 1, 40_503))
  for (let i = 0; i < 3; i++) chance() // neighbouring seeds begin alike
  return { chance, target: chance() < 0.4 ? 0 : Math.floor(chance() * targets) }
}

const place = new Place()
const targets = (await createTargets(place)).map(target => (job.planted ? plant(target, job.planted, place) : target))
const done: Done = { cases: 0, accepted: 0, refused: 0 }
for (let index = job.from; Date.now() < job.until && !done.finding; index++) {
  const { chance, target: at } = caseOf(index, targets.length)
  const target = targets[at]
  if (!target) break
  const seed = target.seeds[Math.floor(chance() * target.seeds.length)] ?? Buffer.alloc(0)
  const content = mutate(seed, chance)
  const found = (problem: string) => {
    done.finding = { index, target: target.name, problem, content: content.toString('latin1').slice(0, 4_000) }
  }
  writeSync(progress, `${index} ${target.name}\n`.padEnd(120), 0)
  try {
    const problems = await target.read(content)
    done.cases++
    if (problems.length) done.refused++
    else done.accepted++
    const bad = badAnswer(problems)
    const written = place.written()
    if (bad) found(bad)
    else if (written) found(`written: ${written}`)
  } catch (error) {
    found(error instanceof Error ? (error.stack ?? error.message) : String(error))
  }
}
process.stdout.write(JSON.stringify(done))
