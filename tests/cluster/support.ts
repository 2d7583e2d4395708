// What the suites of a real cluster share.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import type { Cluster } from '../../scripts/lib/cluster.ts'
import type { ClaimId } from '../../scripts/lib/proof.ts'
import { formatAddress, parseRange } from '../../scripts/lib/site/network.ts'
import { manifests, type Owner, type Told } from './owner.ts'

/** What applications.test.ts shows; everything else is cluster.test.ts's. */
export const ofApplications: readonly ClaimId[] = ['real-applications', 'targets', 'logs', 'series', 'restore']

/** The namespaces of the platform. */
export const ours = [
  ...['local-path-storage', 'metallb-system', 'adguard', 'traefik', 'cert-manager', 'cattle-system', 'argocd'],
]

/** The namespaces of the applications, which stay as long as their owner wants. */
export const applications = [
  'monitoring',
  'node-exporter',
  'loki',
  'alloy',
  'influxdb',
  'velero',
  'sealed-secrets',
  'welcome',
]

/** The fixed addresses: the first of the pool is Traefik's, the next two are AdGuard's. */
export function addresses(pool: string): [string, string, string] {
  const range = parseRange(pool)
  if (!('first' in range)) throw new Error(`POOL=${pool} is no range of addresses`)
  return [formatAddress(range.first), formatAddress(range.first + 1), formatAddress(range.first + 2)]
}

/** Only a bare cluster is taken. The Git server comes first: Argo CD follows it as soon as it is there. @returns the run of the seven steps */
export async function install(owner: Owner, cluster: Cluster): Promise<Told> {
  const left = (await cluster.list('namespaces')).map(one => one.metadata.name).filter(name => ours.includes(name))
  assert.deepEqual(left, [], 'this is not a bare cluster: the suite takes only one that it cannot harm')
  await owner.kubectl(['apply', '-f', join(manifests, 'git-server.yaml')])
  const pushed = eventually('the Git server takes a branch', 180, () => failing(owner.push()))
  const [told] = await Promise.all([owner.run('bootstrap/bootstrap-all.ts', ['--json', '--yes']), pushed])
  assert.equal(told.code, 0, tellingOf(told))
  return told
}

/** Everything goes, data too. */
export async function takeOff(owner: Owner): Promise<void> {
  const gone = ['--json', '--uninstall', '--delete-data', '--confirm', owner.target.context]
  const told = await owner.run('bootstrap/bootstrap-all.ts', gone)
  assert.equal(told.code, 0, tellingOf(told))
  await owner.kubectl(['delete', 'namespace', ...applications, 'git', 'suite', '--ignore-not-found', '--timeout=300s'])
}

/** What a failed run said, without its hundreds of events. */
export function tellingOf(told: Told): string {
  const findings = /"findings":(\[.*?\]),"ignored"/.exec(told.stdout)?.[1] // of test-ingress
  const problems = told.summary
    ? JSON.stringify(told.summary.problems, null, 1)
    : (findings ?? told.stdout.slice(-3000))
  return `exit code ${told.code}\n${problems}\n${told.stderr.slice(-2000)}`
}

async function failing(attempt: Promise<unknown>): Promise<string | undefined> {
  return attempt.then(
    () => undefined,
    (error: unknown) => String(error),
  )
}

/** Looks until there is no complaint any more. @param seconds after which the last complaint is the failure */
export async function eventually(
  what: string,
  seconds: number,
  complaint: () => Promise<string | undefined>,
): Promise<void> {
  const deadline = Date.now() + seconds * 1000
  for (;;) {
    const said = await complaint()
    if (said === undefined) return
    if (Date.now() > deadline) assert.fail(`${what}: not within ${seconds} s. ${said}`)
    await new Promise(resolve => setTimeout(resolve, 500))
  }
}
