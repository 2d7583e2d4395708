// From what can be found out and what only the owner knows to a .env that every command accepts.
import { readFileSync, statSync } from 'node:fs'
import type { Values as Flags } from '../command.ts'
import { exit, HomelabError, throwProblems } from '../errors.ts'
import { publish } from '../gitops/site-file.ts'
import { paint, print } from '../output.ts'
import { isYes } from '../site/confirm.ts'
import { look } from '../site/env-file.ts'
import { replaceFile, withValues } from '../site/env-write.ts'
import { type Examined, examine } from '../site/examine.ts'
import { envText, quoting } from '../site/example.ts'
import { type Key, secretKeys } from '../site/schema.ts'
import { placeholders } from '../site/values.ts'
import { createAsker, explain, say } from './ask.ts'
import { readSurroundings } from './machine.ts'
import { conflicts, rangeOf } from './pool.ts'
import {
  settleAddresses,
  settleCertificates,
  settleDomain,
  settleGit,
  settlePlatform,
  takenAddresses,
} from './questions.ts'
import { answered, type Session } from './session.ts'
import { problemsToMend, Settings } from './settings.ts'
import { type SiteWrite, siteWrite } from './site-file.ts'
import type { ClusterFacts } from './survey.ts'
import { settleCluster } from './which-cluster.ts'

/**
 * `make configure`.
 * @returns the exit code
 * @throws HomelabError (exit 2) with everything that is missing or wrong; (exit 3) when the cluster is another one
 */
export async function configure(flags: Flags): Promise<number> {
  const settings = await Settings.read(flags)
  const yes = flags.yes === true
  const asker = yes ? undefined : process.stdin.isTTY || flags.ask ? createAsker() : undefined
  const session: Session = {
    ...{ settings, machine: await readSurroundings(), yes, offers: new Map(), needed: new Map() },
    ...(asker ? { asker } : {}),
  }
  try {
    const facts = await settleCluster(session)
    await settleDomain(session)
    await settleAddresses(session, facts)
    await settleCertificates(session)
    await settlePlatform(session, facts)
    await settleGit(session)
    const file = envFile(settings)
    const after = await judge(session, facts, file.text)
    return await carryOut(session, file, after, siteWrite(after), flags)
  } finally {
    asker?.close()
  }
}

interface Written {
  text: string
  /** Undefined when there is no file yet. */
  before?: string
  /** The mode that it has and should not, such as `0644`. */
  open?: string
}

const head = [
  'The facts of this lab, and its few secrets. Written by make configure: run that again, or edit; it keeps what you wrote.',
  'Everything that is commented out has the default that it shows. Readable by you alone (chmod 600), never committed.',
  '',
  ...quoting,
]

function envFile(settings: Settings): Written {
  const { path } = settings.before
  const stats = look(path)
  const before = stats ? readFileSync(path, 'utf8') : undefined
  const start =
    before ??
    [...placeholders].reduce((text, [key, value]) => text.replace(`${key}=${value}`, `${key}=`), envText(head))
  const values = Object.fromEntries(settings.changes().map(({ key, to }) => [key, to]))
  const mode = process.platform === 'win32' || !stats ? 0 : statSync(path).mode & 0o777
  return {
    text: Object.keys(values).length || before === undefined ? withValues(start, values) : start,
    ...(before === undefined ? {} : { before }),
    ...(mode & 0o077 ? { open: `0${mode.toString(8)}` } : {}),
  }
}

/** The bootstrap's own rules on what is about to be written. What is wrong with this computer's kubeconfig can wait. */
async function judge(session: Session, facts: ClusterFacts | undefined, text: string): Promise<Examined> {
  const { settings, needed, offers } = session
  const { environment } = settings.before
  const after = await examine({ env: environment, text, processEnv: { HOME: process.env.HOME } })
  const later = after.found.filter(({ key }) => key === 'KUBECONFIG' && !settings.flagged.has('KUBECONFIG'))
  const found = after.found.filter(one => !later.includes(one))
  const pool = rangeOf(settings.get('METALLB_POOL'))
  for (const clash of pool ? conflicts(pool, takenAddresses(session, facts)) : [])
    if (!found.some(({ key }) => key === 'METALLB_POOL'))
      found.push({
        key: 'METALLB_POOL',
        problem: `contains ${clash}`,
        fix: 'choose a range that nothing else uses, outside DHCP',
      })
  for (const [key, problem] of needed) found.push({ key, problem, fix: '' })
  throwProblems(problemsToMend(settings, found, offers))
  const notices = later.map(({ problem, fix }) => `KUBECONFIG: ${problem}. Before the first run: ${fix}`)
  return { ...after, notices: [...notices, ...after.notices] }
}

const masked = (key: Key, text: string): string =>
  secretKeys.has(key) && text ? `‹secret, ${text.length} characters›` : text

async function carryOut(
  { settings, asker, yes }: Session,
  file: Written,
  { notices }: Examined,
  gitops: SiteWrite | undefined,
  flags: Flags,
): Promise<number> {
  const { name, path, environment } = settings.before
  const changes = settings.changes()
  const pending = file.text !== file.before || file.open !== undefined
  const committed = gitops?.changes.length ? gitops : undefined
  const next = environment === 'prod' ? 'make plan' : `make plan ENV=${environment}`
  if (!flags.json) {
    if (pending) say(`\n${file.before === undefined ? `New: ${name}` : name}`)
    for (const { key, from, to, why } of changes)
      showChange(key, from === undefined ? undefined : masked(key, from), masked(key, to), why)
    if (file.open) say(`  ~ mode ${file.open} → 0600, so that you alone can read it`)
    if (committed) say(`\n${committed.name}, which Argo CD reads from Git`)
    for (const { key, from, to } of committed?.changes ?? []) showChange(key, from, to, answered, ': ')
    for (const notice of notices) say(`  ! ${notice}`)
  }
  const account = (written: boolean) => {
    const shown = changes.map(({ key, from, to, why }) => ({
      ...{ key, why, to: masked(key, to) },
      ...(from === undefined ? {} : { from: masked(key, from) }),
    }))
    const mode = file.open ? { mode: { from: file.open, to: '0600' } } : {}
    const site = committed ? { site: { file: committed.name, changes: committed.changes } } : {}
    const steps = committed ? { commit: publish(committed.name) } : {}
    if (flags.json)
      print(
        JSON.stringify({
          ...{ event: 'summary', file: name, written, changes: shown, ...mode, ...site, notices },
          ...{ ...steps, next, code: exit.done },
        }),
      )
    else if (written) {
      const secret = pending ? `${name}, readable by you alone` : ''
      print(`\nWritten: ${[secret, committed?.name].filter(Boolean).join('; ')}. Next: ${next}`)
      if (committed) print(`Argo CD sees the second when it is pushed: ${publish(committed.name)}`)
    } else
      print(pending || committed ? '\nA plan: nothing was written.' : `Nothing to change in ${name}. Next: ${next}`)
    return exit.done
  }
  if ((!pending && !committed) || flags.plan) return account(false)
  const overwritten = [
    ...(pending && file.before !== undefined ? [name] : []),
    ...(committed && !committed.untouched ? [committed.name] : []),
  ]
  if (asker) {
    const answer = await asker.line('\nWrite it? [Y/n] ')
    if (answer === undefined || !(answer === '' || isYes(answer)))
      throw new HomelabError({ what: 'not confirmed, nothing was written', fix: 'run it again', code: exit.usage })
  } else if (overwritten.length && !yes)
    throw new HomelabError({
      what: `${overwritten.join(' and ')} ${overwritten.length > 1 ? 'are' : 'is'} there, and nobody confirmed the change: nothing was written`,
      why: [...changes, ...(committed?.changes ?? [])].map(({ key }) => key).join(', ') || `mode ${file.open}`,
      fix: 'the same command with --yes; it changes only these lines',
      code: exit.usage,
    })
  if (pending) replaceFile(path, file.text, 0o600)
  if (committed) replaceFile(committed.path, committed.text, statSync(committed.path).mode & 0o777)
  return account(true)
}

/** One line of the diff, with the reason for it. */
function showChange(key: string, from: string | undefined, to: string, why: string, sign = '='): void {
  const added = from === undefined
  const line = added ? `+ ${key}${sign}${to}` : `~ ${key}: ${from} → ${to || 'nothing'}`
  const beside = why !== answered && line.length + why.length < 74
  const reason = beside ? `  ${paint('dim', `# ${why}`, process.stderr)}` : ''
  say(`  ${paint(added ? 'green' : 'yellow', line, process.stderr)}${reason}`)
  if (why !== answered && !beside) explain(`  # ${why}`)
}
