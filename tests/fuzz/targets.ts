// What the fuzzer feeds: the reading functions that the commands use, each with what must hold whatever they are given.
import { cpSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { HomelabError, type Problem } from '../../scripts/lib/errors.ts'
import { readManifest, readValues, readYaml } from '../../scripts/lib/fill.ts'
import { root as repository } from '../../scripts/lib/root.ts'
import { parseKubeconfig } from '../../scripts/lib/site/kubeconfig.ts'
import { type Site, vars } from '../../scripts/lib/site/site.ts'
import { fileProblems, needed, readPins } from '../../scripts/lib/yaml/check.ts'
import { fixture, fixtures, HomeLab, kubeconfig } from '../fixtures/lab.ts'

export interface Target {
  name: string
  /** Valid content to begin from. */
  seeds: readonly Buffer[]
  /**
   * Reads the content as a command would.
   * @returns the problems; none means accepted
   */
  read(content: Buffer): Promise<readonly Problem[]> | readonly Problem[]
}

/** A word for what must never be said to an owner: the script's own insides. */
const insides =
  /\n\s+at .+:\d+|\bat \S+ \(.*:\d+:\d+\)|TypeError|RangeError|ReferenceError|SyntaxError|node:internal|\bundefined\b|\[object Object\]/

/** What is wrong with the answer itself, or undefined. */
export function badAnswer(problems: readonly Problem[]): string | undefined {
  for (const { what, why = '', fix = '' } of problems) {
    const text = `${what}\n${why}\n${fix}`
    if (!fix && !/ Fix: \S/.test(what)) return `no fix: ${what}`
    if (insides.test(text.replaceAll(/"(?:[^"\\]|\\.)*"/g, '"…"')))
      return `the insides of a script: ${text.slice(0, 500)}`
    if (text.length > 20_000) return `a message of ${text.length} characters: ${what.slice(0, 200)}`
  }
  return undefined
}

/** A place for the content, and a way to see that nothing else was written. */
export class Place {
  readonly lab = new HomeLab()
  #before = ''

  constructor() {
    for (const part of ['infrastructure/platform', 'infrastructure/security', 'infrastructure/charts.yaml', 'gitops'])
      cpSync(join(repository, part), join(this.lab.root, part), { recursive: true })
    mkdirSync(join(this.lab.top, 'tmp'))
    process.env.TMPDIR = join(this.lab.top, 'tmp') // of the worker alone
  }

  put(file: string, content: Buffer): void {
    writeFileSync(join(this.lab.root, file), content, { mode: 0o600 })
    this.#before = this.#state()
  }

  /** The paths that changed since `put`. */
  written(): string {
    const now = this.#state()
    if (now === this.#before) return ''
    const before = new Set(this.#before.split('\n'))
    return (
      now
        .split('\n')
        .filter(line => !before.has(line))
        .join(', ') || 'something is gone'
    )
  }

  #state(): string {
    const entries = readdirSync(this.lab.top, { recursive: true, withFileTypes: true })
    return entries
      .filter(({ parentPath }) => !parentPath.includes('/.git'))
      .map(({ parentPath, name }) => {
        const { ino, size, mtimeMs } = lstatSync(join(parentPath, name))
        return `${join(parentPath, name)} ${ino} ${size} ${mtimeMs}`
      })
      .join('\n')
  }
}

/** Every target, with the place that it reads from. */
export async function createTargets(place: Place): Promise<Target[]> {
  const { lab } = place
  const envs = readdirSync(join(fixtures, 'valid')).filter(name => name.endsWith('.env'))
  lab.write(fixture('valid', 'all-three.env'))
  const names: Record<string, unknown> = { ...vars((await lab.load()).site as Site), adguardSeed: '', privateCA: true }
  const yaml = (file: string): Target => ({
    name: file,
    seeds: [readFileSync(join(repository, file))],
    read(content) {
      place.put(file, content)
      return fileProblems(file, lab.root, names)
    },
  })
  return [
    {
      name: '.env',
      seeds: [...envs.map(name => Buffer.from(fixture('valid', name))), readFileSync(join(repository, '.env.example'))],
      async read(content) {
        place.put('.env', content)
        return (await lab.load()).problems.map(what => ({ what }))
      },
    },
    ...[...needed, 'gitops/applications/welcome.yaml', 'gitops/environments/prod/kustomization.yaml'].map(yaml),
    {
      name: 'a step’s own reading',
      seeds: needed.filter(file => /platform/.test(file)).map(file => readFileSync(join(repository, file))),
      read(content) {
        place.put('read.yaml', content)
        const path = join(lab.root, 'read.yaml')
        const problems = [readYaml, readManifest, readValues].map(read => problemsOf(() => read(path, names)))
        return problems.flat()
      },
    },
    {
      name: 'the pins as charts.ts reads them',
      seeds: [readFileSync(join(repository, 'infrastructure/charts.yaml'))],
      read(content) {
        place.put('read.yaml', content)
        return problemsOf(() => readPins(join(lab.root, 'read.yaml')))
      },
    },
    {
      name: 'kubeconfig',
      seeds: [Buffer.from(kubeconfig({}))],
      read(content) {
        const read = parseKubeconfig(content.toString('utf8'), '/home/me/.kube/config')
        return 'problem' in read ? [{ what: read.problem, fix: read.fix }] : []
      },
    },
  ]
}

/** The problems of a reading function that throws them; anything else that it throws is a finding. */
function problemsOf(read: () => unknown): Problem[] {
  try {
    read()
    return []
  } catch (error) {
    if (error instanceof HomelabError && error.code === 2) return [error, ...error.others]
    throw error
  }
}
