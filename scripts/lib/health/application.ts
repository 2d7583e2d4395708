// Argo CD's applications: what their status means for an owner, with the cause behind it where the snapshot has it.
import { sourcesOf } from '../gitops/application.ts'
import { at, type K8sObject, listAt, textAt, timeAt } from '../k8s.ts'
import { duration, type Health, oneLine, progressing, ready, unwell } from './judged.ts'
import type { Snapshot } from './snapshot.ts'

// How long Argo CD may take to look at a new application before its silence is a finding.
const silence = 60_000

/** @param judge how an object of the application is, when the snapshot has it */
export function judgeApplication(
  application: K8sObject,
  snapshot: Snapshot,
  judge: (object: K8sObject, snapshot: Snapshot) => Health = () => progressing(),
): Health {
  const { namespace, name } = application.metadata
  const health = textAt(application.status, 'health', 'status')
  const sync = textAt(application.status, 'sync', 'status')
  const phase = textAt(application.status, 'operationState', 'phase')
  const describe = `kubectl -n ${namespace} describe application ${name}`

  const error = listAt(application.status, 'conditions').find(entry => /Error$/.test(textAt(entry, 'type') ?? ''))
  const another = speaksOfAnother(application)
  // Any other error is about what the application says now: with a source that its project forbids nothing is compared.
  const outdated = another && textAt(error, 'type') === 'ComparisonError'
  if (error !== undefined && !outdated) return told(`application ${name}: `, textAt(error, 'message') ?? '', describe)
  if (another) return progressing(`Argo CD has not looked at application ${name} yet since its source was changed`)
  if (health === undefined || sync === undefined) {
    const age = snapshot.now - (timeAt(application, 'metadata', 'creationTimestamp') ?? snapshot.now)
    return age < silence
      ? progressing(`Argo CD has not looked at application ${name} yet`)
      : unwell(`Argo CD has not looked at application ${name} for ${duration(age)}`, `kubectl -n ${namespace} get pods`)
  }
  const resources = listAt(application.status, 'resources')
  const sick = resources.find(entry => textAt(entry, 'health', 'status') === 'Degraded')
  if (health === 'Degraded') {
    const what = sick ? `${textAt(sick, 'kind')} ${textAt(sick, 'name')}` : undefined
    const said = textAt(sick, 'health', 'message') ?? textAt(application.status, 'health', 'message')
    return unwell(
      `application ${name} is degraded${what ? `: ${what}` : ''}${said ? `, ${oneLine(said)}` : ''}`,
      describe,
    )
  }
  if ((phase === 'Failed' || phase === 'Error') && sync !== 'Synced') {
    const failed = listAt(application.status, 'operationState', 'syncResult', 'resources').find(
      entry => textAt(entry, 'status') === 'SyncFailed',
    )
    const said = textAt(failed, 'message') ?? textAt(application.status, 'operationState', 'message') ?? ''
    return told(`application ${name} could not be synced: `, said, describe)
  }
  // While a sync runs, a hook may fail yet, and a parent waits for it.
  if (health === 'Healthy' && sync === 'Synced' && phase !== 'Running') return ready()
  if (health === 'Suspended') return progressing(`application ${name} is suspended`)
  if (sync === 'OutOfSync' && phase !== 'Running' && at(application.spec, 'syncPolicy', 'automated') === undefined)
    return unwell(`application ${name} differs from Git, and automatic sync is off`, `argocd app sync ${name}`)
  const waitsFor = [
    ...resources.filter(entry => /Progressing|Missing/.test(textAt(entry, 'health', 'status') ?? '')),
    ...named(textAt(application.status, 'health', 'message') ?? ''),
  ]
  const open: unknown[] = []
  for (const entry of waitsFor) {
    const [kind = '', of] = [textAt(entry, 'kind'), textAt(entry, 'namespace')]
    const object = snapshot.find(kind, of, textAt(entry, 'name') ?? '')
    const found = object && judge(object, snapshot)
    if (found?.state === 'unwell') return unwell(`application ${name}: ${found.cause}`, found.fix ?? describe)
    // Argo CD's message stays that of the moment at which the health last changed: what is ready by now is no cause.
    if (found?.state !== 'ready') open.push(entry)
  }
  const [first] = open
  const running = phase === 'Running' ? textAt(application.status, 'operationState', 'message') : undefined
  const what = first
    ? `${textAt(first, 'kind')} ${textAt(first, 'name')} ${healthOf(first)}`
    : running && oneLine(running, 80)
  return progressing(
    `application ${name} is ${health} and ${sync}${phase === 'Running' ? ', a sync is running' : ''}${what ? `: ${what}` : ''}`,
    describe,
  )
}

/** Whether what Argo CD says is about the source that stood there before: an error of that one is mended, perhaps. */
function speaksOfAnother({ spec, status }: K8sObject): boolean {
  const compared = at(status, 'sync', 'comparedTo')
  const addresses = (from: unknown) =>
    sourcesOf({ spec: from }).map(({ repository, revision, chart, path }) => [repository, revision, chart, path])
  if (compared === undefined || at(spec, 'sourceHydrator') !== undefined) return false
  return JSON.stringify(addresses(compared)) !== JSON.stringify(addresses(spec))
}

/** From version 3 on only the message says which: `Caused by apps/Deployment:NAMESPACE/NAME, … and 2 more`. */
function named(message: string): object[] {
  return [...message.matchAll(/(?:^Caused by |, )(?:[\w.]+\/)?(\w+):(?:([\w.-]+)\/)?([\w.-]+)/g)].map(
    ([, kind, namespace, name]) => ({
      kind,
      ...(namespace ? { namespace } : {}),
      name,
      health: { status: 'Progressing' },
    }),
  )
}

function healthOf(entry: unknown): string {
  const message = textAt(entry, 'health', 'message')
  return message ? `(${oneLine(message, 80)})` : `is ${textAt(entry, 'health', 'status')?.toLowerCase()}`
}

/** Argo CD's words in an owner's terms, and what to do; anything else stays its words. */
function told(before: string, message: string, describe: string): Health {
  const known = causes.find(([pattern]) => pattern.test(message))
  if (known === undefined) return unwell(before + oneLine(message), describe)
  const [pattern, cause, fix = describe] = known
  const found = pattern.exec(message)
  const filled = (text: string) => text.replace('$1', found?.[1] ?? '')
  return unwell(`${before}${filled(cause)} (${oneLine(message, 120)})`, filled(fix))
}

/** What its message matches, what that means, and what to do when that is not to look at it (`$1`: what was matched). */
const causes: readonly (readonly [RegExp, string, string?])[] = [
  [
    /authentication required|could not read Username|invalid username or password|permission denied \(publickey\)/i,
    'the Git server refuses the credentials',
    'set GIT_TOKEN or GIT_SSH_KEY_FILE in .env, then: ./bootstrap/07-argocd.ts',
  ],
  [
    /repository not found|Repository .* not found|does not appear to be a git repository|repository '[^']*' does not exist/i,
    'the Git repository does not exist, or is private',
    'correct GIT_REPOSITORY in .env and site.yaml: make configure, commit and push, then ./bootstrap/07-argocd.ts',
  ],
  [
    /app path does not exist/i,
    'the path does not exist in the Git repository',
    'correct it in gitops/, commit and push; is the branch the one that was pushed?',
  ],
  [
    /unable to resolve '?([^' ]+)'? to a commit/i,
    'the branch or tag does not exist in the Git repository',
    'push it, or correct GIT_REVISION: make configure, commit and push',
  ],
  [/no such host/i, 'the name of the Git server or chart repository cannot be resolved in the cluster'],
  [
    /connection refused|i\/o timeout|no route to host|context deadline exceeded/i,
    'the Git server or chart repository does not answer',
    'is it up? Argo CD asks again by itself; sooner: make sync',
  ],
  [
    /project \S+ (?:which )?does not exist|is not permitted in project|not match any of the allowed destinations/i,
    'its project does not allow this, or does not exist',
    'infrastructure/platform/argocd/project.yaml has what is allowed; then ./bootstrap/07-argocd.ts',
  ],
  [
    /no matches for kind|could not find the requested resource|make sure the ".*" CRD is installed/i,
    'a kind (CRD) that it needs is not installed',
  ],
  [
    /failed to parse [^:]*?([\w.-]+\.ya?ml)/i,
    'the values in $1 are no YAML',
    'correct the file, commit and push; make check finds it beforehand',
  ],
  [
    /values don't meet the specifications of the schema/i,
    'the chart refuses a value',
    'correct the values, commit and push; make check finds it beforehand',
  ],
  [
    /open .*?\/?(infrastructure\/[^ :]+): no such file|no such file or directory/i,
    'a file that it names is not in the Git repository',
    'add or correct it, commit and push',
  ],
  [
    /chart .* not found|no chart version found|chart matching .* not found|invalid revision/i,
    'the chart, or that version of it, is not in its repository',
    'correct targetRevision in gitops/applications, commit and push',
  ],
  [
    /MalformedYAMLError: .*? in File: ([\w./-]+)/s,
    'the manifest $1 is no YAML',
    'correct it, commit and push; make check finds it beforehand',
  ],
  [/kustomize build/i, 'Kustomize cannot build it', 'kubectl kustomize PATH says where; correct it, commit and push'],
  [/yaml: |error converting YAML|MalformedYAMLError/i, 'a manifest is no YAML', 'correct it, commit and push'],
]
