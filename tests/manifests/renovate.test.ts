// Every pin is one that Renovate finds: its own expressions and patterns from renovate.json5, run on the real files, against
// a search for whatever looks like a version. A pin that nobody raises grows old in silence.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { runInNewContext } from 'node:vm'
import { root } from '../../scripts/lib/root.ts'

interface Config {
  ignorePaths: string[]
  kubernetes: { managerFilePatterns: string[] }
  argocd: { managerFilePatterns: string[] }
  customManagers: { managerFilePatterns: string[]; matchStrings: string[] }[]
}
/** JSON5 is an expression of JavaScript. */
const config = runInNewContext(`(${readFileSync(join(root, 'renovate.json5'), 'utf8')})`) as Config

interface Manager {
  name: string
  patterns: readonly string[]
  /** With a group `version`, or Renovate's own `currentValue`. */
  expressions: readonly RegExp[]
}

/**
 * Renovate's managers, as far as this repository needs them: where they look unless told otherwise, and what they take
 * (https://docs.renovatebot.com/modules/manager/ and their sources, version 43).
 */
const managers: readonly Manager[] = [
  ...config.customManagers.map(({ managerFilePatterns, matchStrings }, i) => ({
    name: `custom ${i}`,
    patterns: managerFilePatterns,
    expressions: matchStrings.map(one => new RegExp(one, 'g')),
  })),
  {
    name: 'argocd',
    patterns: config.argocd.managerFilePatterns,
    expressions: [/^ +(?:- )?chart: \S+\n +targetRevision: (?<version>\S+)$/gm],
  },
  {
    name: 'kubernetes',
    patterns: config.kubernetes.managerFilePatterns,
    expressions: [/^\s*-?\s*image:\s*['"]?[a-z0-9][\w./-]*:(?<version>[\w.-]+)/gm],
  },
  {
    name: 'helm-values',
    patterns: ['/(^|/)values\\.ya?ml$/'],
    expressions: [
      /image:\s*\n\s+repository: \S+\n\s+(?:#.*\n\s+)?tag: (?<version>\S+)/gi,
      /image: [a-z0-9][\w./-]*:(?<version>[\w.-]+)/gi,
    ],
  },
  {
    name: 'github-actions',
    patterns: ['/(^|/)\\.github/(workflows|actions)/.+\\.ya?ml$/', '/(^|/)action\\.ya?ml$/'],
    expressions: [/uses: [\w./-]+@[0-9a-f]{40} # (?<version>v\S+)$/gm],
  },
  {
    name: 'gomod',
    patterns: ['/(^|/)go\\.mod$/'],
    expressions: [/^\s+\S+\/\S+ (?<version>v\S+)(?: \/\/ indirect)?$/gm],
  },
  { name: 'npm', patterns: ['/(^|/)package\\.json$/'], expressions: [/^ {4}"[^"]+": "(?<version>\d[^"]*)",?$/gm] },
  {
    name: 'pip_requirements',
    patterns: ['/(^|/)[\\w-]*requirements([-._]\\w+)?\\.(txt|pip)$/'],
    expressions: [/^[\w-]+==(?<version>[\w.]+)/gm],
  },
]

const files = execFileSync('git', ['-C', root, 'ls-files', '--cached', '--others', '--exclude-standard'], {
  encoding: 'utf8',
})
  .split('\n')
  .filter(Boolean)
const read = (file: string) => readFileSync(join(root, file), 'utf8')
const matches = (patterns: readonly string[], file: string) =>
  patterns.some(pattern => new RegExp(pattern.replace(/^\/|\/$/g, '')).test(file))
const ignored = (file: string) =>
  config.ignorePaths.some(path =>
    new RegExp(`^${path.replaceAll('**/', '(.*/)?').replaceAll('/**', '/.*')}$`).test(file),
  )

/** `file:line` of each version that a manager takes. */
function found(file: string, text: string): Set<string> {
  const lines = new Set<string>()
  if (ignored(file)) return lines
  for (const { expressions } of managers.filter(one => matches(one.patterns, file)))
    for (const match of expressions.flatMap(one => [...text.matchAll(one)])) {
      const value = match.groups?.version ?? match.groups?.currentValue ?? ''
      const at = match.index + match[0].lastIndexOf(value)
      lines.add(`${file}:${text.slice(0, at).split('\n').length}`)
    }
  return lines
}

/** What looks like a pinned version, whatever it is of. */
const looksPinned = [
  /^\s*(?:- )?(?:tag|version|targetRevision|[A-Z]+_VERSION): ['"]?v?\d+(?:\.\d+)+/,
  /image: ['"]?[a-z0-9][\w./-]*:v?\d/,
  /uses: [\w-]+\//,
  /^\s*(?:export )?(?:const \w+ =|\w*[vV]ersion:) ['"]v?\d+\.\d+\.\d+['"]/,
  /^[\w-]+==\d/,
]

/** Found by nobody, with the reason. */
const exempt: readonly (readonly [RegExp, string])[] = [
  [/^infrastructure\/sandbox\/charts\//, 'stand-ins: a test holds them to the pins of the real charts'],
  [/^scripts\/lib\/sandbox\/gitops\/charts\.ts/, 'the chart inside a Go module: it is what go.mod says'],
  [/^package\.json:3$/, 'our own'],
]

function missed(file: string, text: string): string[] {
  const known = found(file, text)
  return text.split('\n').flatMap((line, i) => {
    const place = `${file}:${i + 1}`
    const pinned = looksPinned.some(one => one.test(line)) && !/^\s*(#|\/\/|\*)/.test(line)
    if (!pinned || known.has(place) || exempt.some(([one]) => one.test(place))) return []
    return [`${place}: ${line.trim()}`]
  })
}

const searched = files.filter(
  file => /\.(ya?ml|ts|txt|gotmpl)$/.test(file) && !/^(tests|infrastructure\/docs)\/|\.lock\.yaml$/.test(file),
)

test('every version in a file of ours is one that Renovate finds', () => {
  assert.deepEqual(
    searched.flatMap(file => missed(file, read(file))),
    [],
  )
})

test('every kind of pin is there, so that the search does not pass by finding nothing', () => {
  const counts = managers.map(({ name, patterns, expressions }): [string, number] => {
    const mine = files.filter(file => matches(patterns, file) && !ignored(file))
    return [name, mine.flatMap(file => expressions.flatMap(one => [...read(file).matchAll(one)])).length]
  })
  assert.deepEqual(
    counts.filter(([, n]) => n === 0).map(([name]) => name),
    [],
  )
})

test('every chart of an application and of the platform is found with its repository', () => {
  const charts = files.filter(file => /^gitops\/applications\/|^infrastructure\/charts\.yaml$/.test(file))
  const wanted = charts.flatMap(file => [...read(file).matchAll(/^ +(?:- )?chart: \S+$|^ {2}repository: /gm)]).length
  const have = charts.flatMap(file => [...found(file, read(file))]).length
  assert.equal(have, wanted)
})

test('each program that is built is one that Renovate raises, not an indirect requirement', () => {
  for (const file of files.filter(one => /^infrastructure\/sandbox\/[^/]+\/go\.mod$/.test(one))) {
    const text = read(file)
    const tools = [...text.matchAll(/^(?:tool|\t)[ \t]*([\w.-]+\.[a-z]+\/\S+)$/gm)].map(([, path = '']) => path)
    const required = [...text.matchAll(/^\t(\S+) v\S+( \/\/ indirect)?$/gm)]
    for (const tool of tools)
      assert.ok(
        required.some(([, module]) => `${tool}/`.startsWith(`${module}/`)),
        `${file}: ${tool} has no module of its own`,
      )
    assert.ok(tools.length || required.some(([, , indirect]) => !indirect), `${file}: nothing is asked for by name`)
  }
})

test('a pin that is in no form of Renovate is named', () => {
  assert.deepEqual(missed('infrastructure/logging/new/values.yaml', 'image:\n  repo: docker.io/a/b\n  tag: 1.2.3\n'), [
    'infrastructure/logging/new/values.yaml:3: tag: 1.2.3',
  ])
  assert.deepEqual(missed('.github/workflows/x.yaml', '      - uses: actions/checkout@v4\n').length, 1)
})
