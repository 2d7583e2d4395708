// The command around a mirror: which folder, whose values, and how it is told.
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { chartsMirror, readChartSource } from '../charts.ts'
import { describe, type Values } from '../command.ts'
import { exit, HomelabError } from '../errors.ts'
import { paint, print } from '../output.ts'
import { root } from '../root.ts'
import { moduleVersion } from '../sandbox/modules.ts'
import { loadSite, type Site } from '../site/site.ts'
import { neededImages } from './images.ts'
import { fillMirror, type Mirrored } from './mirror.ts'

/** @returns the exit code */
export async function mirror(values: Values): Promise<number> {
  if (readChartSource(process.env.CHARTS, 'real') === 'stand-in')
    throw new HomelabError({
      what: 'CHARTS=stand-in: a mirror holds the real charts',
      fix: 'the same command without CHARTS',
      code: exit.usage,
    })
  const data = process.env.XDG_DATA_HOME || join(homedir(), '.local/share')
  const dir = resolve(typeof values.dir === 'string' && values.dir ? values.dir : join(data, 'homelab/mirror'))
  const { site, sample } = await whoseValues()
  const other = chartsMirror(site).mirror
  const goMod = readFileSync(join(root, 'infrastructure/sandbox/tools/go.mod'), 'utf8')
  const kubernetes = moduleVersion(goMod, 'k8s.io/kubernetes')
  const filling = fillMirror({
    dir,
    helm: 'helm',
    prune: values.prune === true,
    ...(other === undefined || other === dir ? {} : { mirror: other }),
    images: chart => neededImages(site, chart, kubernetes),
  })
  const mirrored = values.json ? await filling : await filling.catch((error: unknown) => tell(error, dir))
  if (typeof mirrored === 'number') return mirrored
  if (values.json) print(JSON.stringify({ event: 'mirror', ...mirrored, rendered: { sample, kubernetes } }))
  else show(mirrored, sample)
  return exit.done
}

/** Several things may be missing, and the rest is there all the same. @returns the exit code */
function tell(error: unknown, dir: string): number {
  if (!(error instanceof HomelabError) || !error.others.length) throw error
  const problems = [error, ...error.others]
  for (const one of problems) print(describe(one), process.stderr)
  print(`\n${problems.length} problems; what could be had is in ${dir}`, process.stderr)
  return error.code
}

/** The values of .env decide which images are needed; without one, those of a rehearsal. No cluster is asked. */
async function whoseValues(): Promise<{ site: Site; sample: boolean }> {
  const { ENV } = process.env
  const sample = !existsSync(join(root, ENV && ENV !== 'prod' ? `.env.${ENV}` : '.env'))
  const overrides = { kubeconfig: '/dev/null', context: 'none' }
  const { CHARTS_MIRROR, HOME } = process.env
  const { site } = await loadSite(
    sample
      ? { overrides, file: 'infrastructure/sandbox/site.env', processEnv: { CHARTS_MIRROR, HOME } }
      : { overrides },
  )
  return { site, sample }
}

const marks = { there: ['green', '✓'], copied: ['green', '+'], replaced: ['yellow', '~'] } as const
const notes = { there: 'there, as recorded', copied: 'copied', replaced: 'was damaged, replaced' } as const

function show({ dir, charts, old, pruned, images, changes }: Mirrored, sample: boolean): void {
  print(paint('bold', dir))
  for (const { name, version, state } of charts) {
    const [colour, mark] = marks[state]
    print(`${paint(colour, mark)} ${`${name} ${version}`.padEnd(28)} ${notes[state]}`)
  }
  for (const file of pruned) print(`${paint('red', '-')} ${file.padEnd(28)} removed: not pinned any more`)
  for (const file of old) print(`· ${file.padEnd(28)} stays, not pinned any more (--prune removes it)`)
  print(
    `\n${changes ? `${changes} file${changes === 1 ? '' : 's'} written or removed` : 'Nothing to do'}; ` +
      `${images.length} images in images.txt${sample ? ', for the values of a rehearsal: there is no .env' : ''}`,
  )
  print('Images are not copied: README.md there says why, and how.')
  print(`next: CHARTS_MIRROR=${dir} in .env, or serve the folder and name its address`)
}
