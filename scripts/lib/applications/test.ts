// make test-applications: each application synced, healthy, its endpoint answers, its data flows.
import type { Cluster } from '../cluster.ts'
import { judge, Snapshot } from '../health/judge.ts'
import type { HostLook } from '../ingress/look.ts'
import { testIngressIn } from '../ingress/read.ts'
import { at, condition, type K8sObject, listAt, mapAt, selects, textAt } from '../k8s.ts'
import type { Site } from '../site/site.ts'
import { between, podsOf, worstFirst } from './pods.ts'
import { type Probe, probes } from './probes.ts'
import { chooseApplication, readApplications } from './read.ts'

/** `unmeasurable`: a rehearsal has no real program there. `none`: nothing of the kind is to be asked. */
export type State = 'right' | 'wrong' | 'coming' | 'unmeasurable' | 'none'

export interface Finding {
  what: string
  why?: string
  fix?: string
}

export interface Tested {
  name: string
  namespace: string
  synced: State
  healthy: State
  endpoint: State
  data: State
  /** What was asked, and answered. */
  hosts: string[]
  findings: Finding[]
}

/** @param progress told what is being looked at */
export async function testApplications(
  cluster: Cluster,
  site: Site,
  only: string | undefined,
  progress: (what: string) => void,
): Promise<Tested[]> {
  const all = await readApplications(cluster)
  const chosen = only === undefined ? all : [chooseApplication(all, only)]
  progress('reading the pods and opening the published hosts')
  const [objects, published] = await Promise.all([
    cluster.list(['pods', 'services', 'persistentvolumeclaims', 'events', ...between].join(',')),
    testIngressIn(cluster, site, undefined, () => {}),
  ])
  const snapshot = new Snapshot([...objects, ...all], { now: new Date(), known: ['Pod', 'Service'] })
  progress('asking the programs')
  return Promise.all(
    chosen.map(async application => {
      const namespace = textAt(application.spec, 'destination', 'namespace') ?? ''
      const hosts = published.look.hosts.filter(one => isOf(application, one))
      const asked = await Promise.all(
        probes
          .filter(probe => probe.application === application.metadata.name)
          .map(async probe => ({ probe, ...(await ask(cluster, snapshot, namespace, probe, site)) })),
      )
      const pages = hosts.map(({ host: { name }, page }) => ({
        state:
          !page || page.notMeasurable ? ('unmeasurable' as const) : page.ok ? ('right' as const) : ('wrong' as const),
        finding: {
          what: `https://${name} does not answer`,
          ...(page?.cause ? { why: page.cause } : {}),
          fix: `make test-ingress HOST=${name}`,
        },
      }))
      const endpoint = [...pages, ...asked.filter(({ probe }) => probe.about === 'endpoint')]
      const data = asked.filter(({ probe }) => probe.about === 'data')
      const { states, findings } = judged(application, snapshot)
      return {
        ...{ name: application.metadata.name, namespace, ...states },
        ...{ endpoint: worst(endpoint), data: worst(data), hosts: hosts.map(({ host }) => host.name) },
        findings: [
          ...findings,
          ...[...endpoint, ...data].flatMap(({ state, finding }) => (state === 'wrong' && finding ? [finding] : [])),
        ],
      }
    }),
  )
}

/** Synced and healthy, as Argo CD says, with the cause from the pods where it says only that. */
function judged(
  application: K8sObject,
  snapshot: Snapshot,
): { states: Pick<Tested, 'synced' | 'healthy'>; findings: Finding[] } {
  const { name } = application.metadata
  const sync = textAt(application.status, 'sync', 'status')
  const health = textAt(application.status, 'health', 'status')
  const { state, cause, fix } = judge(application, snapshot)
  const going = state === 'progressing'
  const states: Pick<Tested, 'synced' | 'healthy'> = {
    synced: sync === 'Synced' ? 'right' : going ? 'coming' : 'wrong',
    healthy: health === 'Healthy' ? 'right' : going ? 'coming' : 'wrong',
  }
  if (state === 'ready') return { states, findings: [] }
  const [pod] = worstFirst(podsOf(application, snapshot), snapshot)
  return {
    states,
    findings: [
      {
        what: cause ?? `application ${name} is ${health ?? 'unknown'} and ${sync ?? 'not compared'}`,
        ...(pod?.cause ? { why: pod.cause } : {}),
        fix: pod?.cause ? `make logs APP=${name}` : (fix ?? `make sync APP=${name}`),
      },
    ],
  }
}

/** Whether a host is published by one of its own objects. */
function isOf(application: K8sObject, { host }: HostLook): boolean {
  return host.routes.some(route =>
    listAt(application.status, 'resources').some(
      one =>
        textAt(one, 'kind') === route.kind &&
        textAt(one, 'namespace') === route.namespace &&
        textAt(one, 'name') === route.name,
    ),
  )
}

/** Seconds: these programs answer in milliseconds. */
const patience = 5

async function ask(
  cluster: Cluster,
  snapshot: Snapshot,
  namespace: string,
  probe: Probe,
  site: Site,
): Promise<{ state: State; finding?: Finding }> {
  const { title, service, port, path, fix } = probe
  const found = snapshot
    .of('Service')
    .find(
      ({ metadata, spec }) =>
        metadata.namespace === namespace &&
        service.test(metadata.name) &&
        textAt(spec, 'clusterIP') !== 'None' &&
        listAt(spec, 'ports').some(one => Number((one as { port?: number }).port) === port),
    )
  const wrong = (why: string) => ({ state: 'wrong' as const, finding: { what: `${title}: not so`, why, fix } })
  if (!found) return wrong(`there is no Service for its port ${port} in ${namespace}`)
  const way = `/api/v1/namespaces/${namespace}/services/${found.metadata.name}:${port}/proxy/${path}`
  const answer = site.sandbox
    ? await cluster.api.ask(way, { accept: '*/*', timeout: patience })
    : await askPod(cluster, snapshot, found, port, path)
  // Behind a fake pod's Service nobody listens.
  if (answer.code !== 0 && site.sandbox && (answer.status === 503 || answer.status === 502 || answer.status === 0))
    return { state: 'unmeasurable' }
  if (answer.code !== 0) return wrong(answer.stderr.trim().split('\n').at(-1) ?? `status ${answer.status}`)
  const flaw = probe.wrong(answer.stdout)
  return flaw === undefined ? { state: 'right' } : wrong(flaw)
}

/**
 * Asks a pod behind a Service, by kubectl's own way into it: the API server's way to a Service begins on a node, and on
 * another node network policies shut it out.
 */
export async function askPod(
  cluster: Cluster,
  snapshot: Snapshot,
  { metadata: { namespace = '' }, spec }: K8sObject,
  port: number,
  path: string,
): Promise<{ code: number; status: number; stdout: string; stderr: string }> {
  const answer = (status: number, stdout: string, stderr: string) => ({
    ...{ code: status >= 200 && status < 300 ? 0 : 1, status, stdout, stderr },
  })
  const pod = snapshot
    .of('Pod')
    .find(
      one =>
        one.metadata.namespace === namespace &&
        selects({ matchLabels: mapAt(spec, 'selector') }, one.metadata.labels ?? {}) &&
        condition(one, 'Ready')?.status === 'True',
    )
  if (!pod) return answer(503, '', 'no pod behind it is ready')
  const wanted = listAt(spec, 'ports').find(one => at(one, 'port') === port)
  const target = at(wanted, 'targetPort') ?? port
  const ports = listAt(pod.spec, 'containers').flatMap(one => listAt(one, 'ports'))
  const number =
    typeof target === 'number'
      ? target
      : at(
          ports.find(one => at(one, 'name') === target),
          'containerPort',
        )
  try {
    return await cluster.forward(namespace, pod.metadata.name, Number(number), async local => {
      const got = await fetch(`http://127.0.0.1:${local}/${path}`, { signal: AbortSignal.timeout(patience * 1000) })
      return answer(got.status, await got.text(), `status ${got.status}`)
    })
  } catch (error) {
    return answer(0, '', (error as Error).message)
  }
}

function worst(list: readonly { state: State }[]): State {
  const order: State[] = ['wrong', 'unmeasurable', 'coming', 'right']
  return order.find(state => list.some(one => one.state === state)) ?? 'none'
}
