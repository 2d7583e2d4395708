// make network-policies: shows what would be cut, asks, closes; and takes it off again.
import type { Values } from '../command.ts'
import { exit, HomelabError } from '../errors.ts'
import { namespacesIn, policiesFolder, readPolicies } from '../guardrails.ts'
import type { K8sObject } from '../k8s.ts'
import { createReporter, paint, print, wrap } from '../output.ts'
import { apiPortOf, areFake, hasCache } from '../preflight/policies.ts'
import { lockFor, Run } from '../run.ts'
import { refuseOther, writableSite } from '../site/choose.ts'
import { confirmByName } from '../site/confirm-by-name.ts'
import { type Cut, cuts, readNetwork, told } from './cuts.ts'
import { apiPort } from './flow.ts'
import { applyPolicies, policiesOf, standing } from './own.ts'
import { lockedOut } from './vital.ts'

/** Argo CD leaves an application with it alone (argo-cd.readthedocs.io/en/stable/user-guide/skip_reconcile/). */
const skip = 'argocd.argoproj.io/skip-reconcile'

/** @returns the exit code */
export async function networkPoliciesCommand(values: Values): Promise<number> {
  const { site } = await writableSite(values)
  const run = new Run(site, createReporter({ json: values.json === true, plan: false, live: false }), false, [])
  try {
    run.uid = (await run.cluster.find('namespace/kube-system'))?.metadata.uid ?? ''
    refuseOther(site, run.uid)
    return await (values.undo ? undo(run, values) : close(run, values))
  } finally {
    await run.cluster.lock?.release()
    await run.cluster.close()
  }
}

async function close(run: Run, values: Values): Promise<number> {
  const { cluster, site } = run
  if (!site.networkPolicies)
    throw new HomelabError({
      what: `NETWORK_POLICIES=false in ${site.file}`,
      why: 'the next run of the steps would leave alone what this closes',
      fix: `take that line out of ${site.file}, then make network-policies`,
      code: exit.usage,
    })
  const { objects, policies } = await readNetwork(cluster)
  const there = namespacesIn(policiesFolder).filter(name =>
    objects.some(one => one.kind === 'Namespace' && one.metadata.name === name),
  )
  const wanted = there.flatMap(readPolicies)
  const cut = cuts(objects, policies, wanted)
  await refuseLockOut(run, wanted, objects, cut)
  const plans = await Promise.all(there.map(name => closing(run, name, true)))
  const lines = plans.flat()
  const account = { namespaces: there, cut: cut.map(told), changes: lines }
  if (!values.json) show(lines, cut)
  if (values.plan || !lines.length) {
    if (values.json) print(JSON.stringify({ ...account, applied: false }))
    else
      print(lines.length ? '\nnothing was changed: this was a plan' : `${paint('green', '✓')} all of it stands already`)
    return exit.done
  }
  await confirmByName(cluster, site, values, { asker: 'closing namespaces', doing: 'close them' })
  await lockFor(run)
  for (const name of there) await closing(run, name, false)
  await follow(run, false)
  if (values.json) print(JSON.stringify({ ...account, applied: true }))
  else {
    print(`\n${paint('green', '✓')} closed. What was connected before stays so until its pod restarts.`)
    print('  next: make test-ingress; make network-policies UNDO=1 takes it off')
  }
  return exit.done
}

async function closing({ cluster }: Run, name: string, plan: boolean): Promise<string[]> {
  const { wanted, gone } = await policiesOf(cluster, name)
  return applyPolicies(cluster, wanted, gone, plan)
}

/** @throws HomelabError (exit 2) naming what would take DNS or Argo CD away */
async function refuseLockOut({ cluster }: Run, wanted: K8sObject[], objects: readonly K8sObject[], cut: Cut[]) {
  const [slices, nodes] = await Promise.all([
    cluster.list('endpointslices.discovery.k8s.io', { namespace: 'default' }),
    cluster.list('nodes'),
  ])
  const port = areFake(nodes) ? apiPort : (apiPortOf(slices) ?? apiPort)
  const caches = hasCache(objects.filter(({ kind }) => kind === 'DaemonSet'))
  const out = [...lockedOut(wanted, port, caches), ...cut.filter(one => one.vital).map(told)]
  if (!out.length) return
  throw new HomelabError({
    what: 'these policies would lock out DNS, the API server or Argo CD: nothing was touched',
    why: out.slice(0, 6).join('; '),
    fix: `make doctor says what to change in ${policiesFolder}`,
    link: 'infrastructure/docs/components/network-policies.md',
    code: exit.usage,
  })
}

function show(lines: readonly string[], cut: readonly Cut[]): void {
  for (const line of lines) print(line)
  print(
    `\n${cut.length ? paint('yellow', `${cut.length} connections would be cut`) : 'no connection that anything tells of would be cut'}`,
  )
  for (const one of cut) for (const [i, line] of wrap(told(one), 76).entries()) print(`  ${i ? '  ' : ''}${line}`)
  print('What no object tells of is not seen here, such as a device that asks a pod by a node’s port.')
}

async function undo(run: Run, values: Values): Promise<number> {
  const { cluster, site } = run
  const files = namespacesIn(policiesFolder)
  const ours = (await standing(cluster)).filter(({ metadata }) => files.includes(metadata.namespace ?? ''))
  const there = [...new Set(ours.map(({ metadata }) => metadata.namespace ?? ''))].sort()
  const account = { namespaces: there, removed: ours.length }
  if (!values.json)
    print(
      ours.length ? `- ${ours.length} network policies, of ${there.join(', ')}` : 'none of ours stands: nothing to do',
    )
  if (!values.plan && ours.length) {
    await confirmByName(cluster, site, values, { asker: 'an undo', doing: 'open them' })
    await lockFor(run)
    await follow(run, true)
    for (const policy of ours) await cluster.delete(policy)
  }
  if (values.json) print(JSON.stringify({ ...account, applied: !values.plan && ours.length > 0 }))
  else if (!values.plan && ours.length) {
    print(`${paint('green', '✓')} open again; the steps leave namespaces that are in use as they are`)
    print(`  next: to keep it so for new ones too, NETWORK_POLICIES=false in ${site.file} and make configure`)
  }
  return exit.done
}

/** Argo CD would put the applications' policies back, or take them away. */
async function follow({ cluster }: Run, skipped: boolean): Promise<void> {
  const application = await cluster.find('applications.argoproj.io/argocd/network-policies')
  const now = application?.metadata.annotations?.[skip]
  if (application && (now === 'true') !== skipped)
    await cluster.patch(application, { metadata: { annotations: { [skip]: skipped ? 'true' : null } } })
}
