import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { combine, type Health, judge, Snapshot } from '../../scripts/lib/health/judge.ts'
import { poolRanges } from '../../scripts/lib/health/service.ts'
import { formatQuantity, type K8sObject, podRequests, quantity } from '../../scripts/lib/k8s.ts'

const now = new Date('2026-05-01T12:00:00Z')
const ago = (seconds: number) => new Date(now.getTime() - seconds * 1000).toISOString()

type Parts = { metadata?: Record<string, unknown>; spec?: unknown; status?: unknown; [field: string]: unknown }

function object(kind: string, name: string, { metadata, ...rest }: Parts = {}): K8sObject {
  const clusterWide = ['Namespace', 'Node', 'StorageClass', 'CustomResourceDefinition', 'ClusterIssuer', 'IngressClass']
  return {
    apiVersion: 'v1',
    kind,
    metadata: {
      name,
      ...(clusterWide.includes(kind) ? {} : { namespace: 'lab' }),
      uid: `uid-${kind}-${name}`,
      creationTimestamp: ago(600),
      generation: 1,
      ...metadata,
    },
    ...rest,
  }
}

/** An application that is Synced and Healthy. */
const inOrder = (operationState: object): K8sObject =>
  object('Application', 'influxdb', {
    status: { health: { status: 'Healthy' }, sync: { status: 'Synced' }, operationState },
  })

/** An application that Argo CD could not compare with Git, in its words. */
const uncompared = (message: string): K8sObject =>
  object('Application', 'loki', {
    status: {
      health: { status: 'Healthy' },
      sync: { status: 'Unknown' },
      conditions: [{ type: 'ComparisonError', message }],
    },
  })

let eventNumber = 0
function event(about: K8sObject, reason: string, message: string, seconds = 10, uid = about.metadata.uid): K8sObject {
  const { name, namespace } = about.metadata
  return object('Event', `event-${eventNumber++}`, {
    involvedObject: { kind: about.kind, name, namespace, uid },
    reason,
    message,
    lastTimestamp: ago(seconds),
  })
}

const labels = { app: 'web' }
const selector = { matchLabels: labels }
const conditions = (
  ...list: [type: string, status: string, reason?: string, message?: string, seconds?: number][]
) => ({
  conditions: list.map(([type, status, reason, message, seconds = 60]) => ({
    type,
    status,
    reason,
    message,
    lastTransitionTime: ago(seconds),
  })),
})

const deployment = (status: Record<string, unknown>, spec: Record<string, unknown> = {}) =>
  object('Deployment', 'web', {
    spec: { replicas: 1, selector, ...spec },
    status: { observedGeneration: 1, ...status },
  })

const pod = (status: Record<string, unknown>, spec: Record<string, unknown> = { nodeName: 'n1' }) =>
  object('Pod', 'web-1', {
    metadata: { labels },
    spec: { containers: [{ name: 'main' }], ...spec },
    status: { phase: 'Pending', ...status },
  })

const waiting = (reason: string, message: string, more: Record<string, unknown> = {}) =>
  pod({
    containerStatuses: [
      { name: 'main', image: 'example.org/web:1', ready: false, state: { waiting: { reason, message } }, ...more },
    ],
  })

const unscheduled = (message: string, spec: Record<string, unknown> = {}) =>
  pod(conditions(['PodScheduled', 'False', 'Unschedulable', message]), spec)

const claim = (spec: Record<string, unknown>, phase = 'Pending', metadata: Record<string, unknown> = {}) =>
  object('PersistentVolumeClaim', 'data', { metadata, spec, status: { phase } })

const storageClass = (name: string, isDefault: boolean, mode = 'WaitForFirstConsumer') =>
  object('StorageClass', name, {
    metadata: { annotations: { 'storageclass.kubernetes.io/is-default-class': String(isDefault) } },
    provisioner: 'rancher.io/local-path',
    volumeBindingMode: mode,
  })

const node = (name: string, memory: string, more: Parts = {}) =>
  object('Node', name, { status: { allocatable: { cpu: '4', memory }, ...conditions(['Ready', 'True']) }, ...more })

const placed = (name: string, nodeName: string, memory: string) =>
  object('Pod', name, {
    spec: { nodeName, containers: [{ name: 'main', resources: { requests: { memory } } }] },
    status: { phase: 'Running' },
  })

const certificate = (status: unknown) =>
  object('Certificate', 'wildcard', { spec: { issuerRef: { kind: 'ClusterIssuer', name: 'lab' } }, status })

const balancer = (annotations: Record<string, string> = {}, ...addresses: string[]) =>
  object('Service', 'web', {
    metadata: { annotations },
    spec: { type: 'LoadBalancer' },
    status: { loadBalancer: { ingress: addresses.map(ip => ({ ip })) } },
  })

const pool = object('IPAddressPool', 'homelab', { spec: { addresses: ['192.168.77.200-192.168.77.220'] } })

const owned = (kind: string, name: string, owner: K8sObject, status: unknown) =>
  object(kind, name, {
    metadata: { ownerReferences: [{ kind: owner.kind, name: owner.metadata.name, uid: owner.metadata.uid }] },
    status,
  })

interface Case {
  name: string
  of: K8sObject
  with?: K8sObject[]
  known?: string[]
  is: Health['state']
  /** What the cause must say; without it there must be none. */
  cause?: RegExp
  fix?: RegExp
}

const cases: Record<string, Case[]> = {
  workloads: [
    {
      name: 'a complete deployment is ready',
      of: deployment({ replicas: 1, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1 }),
      is: 'ready',
    },
    {
      name: 'a deployment whose last change nobody has seen is not ready, whatever its counts say',
      of: object('Deployment', 'web', {
        metadata: { generation: 2 },
        spec: { replicas: 1, selector },
        status: { observedGeneration: 1, replicas: 1, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1 },
      }),
      is: 'progressing',
      cause: /controller manager has not looked/,
    },
    {
      name: 'an old pod still beside the new one is not ready',
      of: deployment({ replicas: 2, updatedReplicas: 1, readyReplicas: 1, availableReplicas: 1 }),
      is: 'progressing',
      cause: /web has 1 of 1 pod ready/,
    },
    {
      name: 'no progress within the deadline is unwell',
      of: deployment({
        replicas: 1,
        updatedReplicas: 1,
        ...conditions(['Progressing', 'False', 'ProgressDeadlineExceeded']),
      }),
      is: 'unwell',
      cause: /0 of 1 pod ready, and no progress/,
    },
    {
      name: 'scaled to nothing is complete, and said',
      of: deployment({}, { replicas: 0 }),
      is: 'ready',
      cause: /scaled to 0/,
    },
    {
      name: 'a quota names itself and the amounts',
      of: deployment(
        conditions([
          'ReplicaFailure',
          'True',
          'FailedCreate',
          'pods "web-x" is forbidden: exceeded quota: small, requested: limits.memory=2Gi, used: limits.memory=1Gi, limited: limits.memory=2Gi',
        ]),
      ),
      is: 'unwell',
      cause: /quota small allows limits.memory=2Gi, limits.memory=1Gi is used, limits.memory=2Gi is asked for/,
      fix: /describe quota small/,
    },
    {
      name: 'our own quota says where it is raised',
      of: deployment(
        conditions([
          'ReplicaFailure',
          'True',
          'FailedCreate',
          'pods "web-x" is forbidden: exceeded quota: homelab, requested: pods=1, used: pods=4, limited: pods=4',
        ]),
      ),
      is: 'unwell',
      cause: /quota homelab allows pods=4/,
      fix: /describe quota homelab; its file: infrastructure\/security\/resource-quotas\/\*\//,
    },
    {
      name: 'a limit range says what it allows',
      of: deployment(
        conditions([
          'ReplicaFailure',
          'True',
          'FailedCreate',
          'pods "web-x" is forbidden: [maximum memory usage per Container is 512Mi, but limit is 64Gi, maximum cpu usage per Container is 1, but limit is 2]',
        ]),
      ),
      is: 'unwell',
      cause: /the limit range allows 512Mi memory for a container at most, 64Gi is asked for/,
      fix: /describe limitrange/,
    },
    {
      name: 'a quota that demands requests says which',
      of: deployment(
        conditions([
          'ReplicaFailure',
          'True',
          'FailedCreate',
          'pods "web-x" is forbidden: failed quota: small: must specify limits.cpu for: main; limits.memory for: main',
        ]),
      ),
      is: 'unwell',
      cause: /quota small demands that every container states limits.cpu/,
    },
    {
      name: 'Pod Security names the level and what it forbids (an event only: DaemonSet)',
      of: object('DaemonSet', 'speaker', {
        spec: { selector },
        status: { observedGeneration: 1, desiredNumberScheduled: 3, currentNumberScheduled: 0 },
      }),
      with: [
        event(
          object('DaemonSet', 'speaker'),
          'FailedCreate',
          'Error creating: pods "speaker-x" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true)',
        ),
      ],
      is: 'unwell',
      cause: /Pod Security level baseline forbids host namespaces \(hostNetwork=true\)/,
    },
    {
      name: 'a refusal that was followed by a success is history',
      of: object('StatefulSet', 'db', {
        spec: { replicas: 1, selector },
        status: { observedGeneration: 1, replicas: 0 },
      }),
      with: [
        event(
          object('StatefulSet', 'db'),
          'FailedCreate',
          'create Pod db-0 in StatefulSet db failed error: pods "db-0" is forbidden: no',
          100,
        ),
        event(object('StatefulSet', 'db'), 'SuccessfulCreate', 'create Pod db-0 in StatefulSet db successful', 50),
      ],
      is: 'progressing',
      cause: /db has 0 of 1 pod ready/,
    },
    {
      name: 'an event of an earlier object of the same name does not count',
      of: object('StatefulSet', 'db', {
        spec: { replicas: 1, selector },
        status: { observedGeneration: 1, replicas: 0 },
      }),
      with: [event(object('StatefulSet', 'db'), 'FailedCreate', 'pods "db-0" is forbidden: no', 10, 'uid-of-another')],
      is: 'progressing',
      cause: /db has 0 of 1 pod ready/,
    },
    {
      name: 'a missing service account is named',
      of: deployment(
        conditions([
          'ReplicaFailure',
          'True',
          'FailedCreate',
          'pods "web-" is forbidden: error looking up service account lab/web: serviceaccount "web" not found',
        ]),
      ),
      is: 'unwell',
      cause: /service account web does not exist/,
    },
    {
      name: "a pod's cause becomes its workload's",
      of: deployment({ replicas: 1, updatedReplicas: 1, unavailableReplicas: 1 }),
      with: [waiting('CrashLoopBackOff', 'back-off', { restartCount: 4, lastState: { terminated: { exitCode: 3 } } })],
      is: 'unwell',
      cause: /container main of pod web-1 ends again and again: exit code 3, 4 restarts/,
    },
    {
      name: "another workload's pod is not blamed",
      of: deployment({ replicas: 1, updatedReplicas: 1 }, { selector: { matchLabels: { app: 'web', part: 'other' } } }),
      with: [waiting('CrashLoopBackOff', 'back-off')],
      is: 'progressing',
      cause: /web has 0 of 1 pod ready/,
    },
    {
      name: 'a daemon set without a node is unwell',
      of: object('DaemonSet', 'speaker', {
        spec: { selector },
        status: { observedGeneration: 1, desiredNumberScheduled: 0 },
      }),
      is: 'unwell',
      cause: /no node is one that speaker may run on/,
    },
    {
      name: 'a stateful set that updates in part is ready with old pods',
      of: object('StatefulSet', 'db', {
        spec: { replicas: 2, selector, updateStrategy: { type: 'RollingUpdate', rollingUpdate: { partition: 1 } } },
        status: { observedGeneration: 1, replicas: 2, updatedReplicas: 1, readyReplicas: 2, availableReplicas: 2 },
      }),
      is: 'ready',
    },
    {
      name: 'a complete job is ready',
      of: object('Job', 'once', { status: conditions(['Complete', 'True']) }),
      is: 'ready',
    },
    {
      name: 'a failed job says how its pod ended',
      of: object('Job', 'once', {
        spec: { selector },
        status: conditions(['Failed', 'True', 'BackoffLimitExceeded', 'too often']),
      }),
      with: [
        pod({
          phase: 'Failed',
          containerStatuses: [{ name: 'main', state: { terminated: { exitCode: 2, message: 'no such host db' } } }],
        }),
      ],
      is: 'unwell',
      cause: /job once failed: pod web-1 failed: exit code 2: no such host db/,
    },
  ],

  pods: [
    { name: 'a ready pod', of: pod({ phase: 'Running', ...conditions(['Ready', 'True']) }), is: 'ready' },
    { name: 'a pod that has done its work', of: pod({ phase: 'Succeeded' }), is: 'ready' },
    {
      name: 'a new pod waits for the scheduler',
      of: object('Pod', 'web-1', { metadata: { creationTimestamp: ago(5) }, spec: {}, status: {} }),
      is: 'progressing',
      cause: /waits for the scheduler/,
    },
    {
      name: 'no scheduler looks at it',
      of: pod({}, {}),
      is: 'unwell',
      cause: /no scheduler has looked at pod web-1 for 10 min/,
    },
    {
      name: "does not fit: the missing amount, from the nodes' free room",
      of: unscheduled('0/2 nodes are available: 2 Insufficient memory. preemption: 0/2 nodes are available', {
        containers: [{ name: 'main', resources: { requests: { memory: '3Gi' } } }],
      }),
      with: [node('n1', '8Gi'), node('n2', '8Gi'), placed('a', 'n1', '7Gi'), placed('b', 'n2', '5632Mi')],
      known: ['Pod'],
      is: 'unwell',
      cause: /fits on no node: it asks for 3Gi memory, and the freest node \(n2\) has 2.5Gi left: 512Mi too little/,
    },
    {
      name: 'larger than any node',
      of: unscheduled('0/1 nodes are available: 1 Insufficient memory.', {
        containers: [{ name: 'main', resources: { requests: { memory: '30Gi' } } }],
      }),
      with: [node('n1', '8Gi')],
      is: 'unwell',
      cause: /asks for 30Gi memory, and the largest node has 8Gi in all/,
    },
    {
      name: 'where not all pods are known no room is computed',
      of: unscheduled('0/1 nodes are available: 1 Insufficient memory.', {
        containers: [{ name: 'main', resources: { requests: { memory: '3Gi' } } }],
      }),
      with: [node('n1', '4Gi'), placed('a', 'n1', '2Gi')],
      is: 'unwell',
      cause: /asks for 3Gi memory, more than any node has left/,
    },
    {
      name: 'without nodes in the snapshot what it asks for is still said',
      of: unscheduled('0/3 nodes are available: 3 Insufficient cpu.', {
        containers: [{ name: 'main', resources: { requests: { cpu: '1500m' } } }],
      }),
      is: 'unwell',
      cause: /asks for 1.5 CPU, more than any node has left/,
    },
    {
      name: 'an untolerated taint is named',
      of: unscheduled('0/1 nodes are available: 1 node(s) had untolerated taint {gpu: yes}.'),
      is: 'unwell',
      cause: /tolerates no node's taint gpu/,
    },
    {
      name: 'a node that is not ready is not called a taint',
      of: unscheduled('0/1 nodes are available: 1 node(s) had untolerated taint {node.kubernetes.io/not-ready: }.'),
      is: 'unwell',
      cause: /waits for a node that is ready/,
    },
    {
      name: 'an unbound claim leads on to the cause of the claim',
      of: unscheduled('0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.', {
        volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }],
      }),
      with: [claim({ storageClassName: 'fast' }), storageClass('local-path', true)],
      is: 'unwell',
      cause:
        /waits for its volume: claim data wants the StorageClass fast, which does not exist \(there is: local-path\)/,
    },
    {
      name: 'a claim that waits for this very pod is not its cause',
      of: unscheduled(
        "0/1 nodes are available: 1 Insufficient memory, 1 node(s) didn't find available persistent volumes to bind.",
        {
          containers: [{ name: 'main', resources: { requests: { memory: '1Gi' } } }],
          volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'data' } }],
        },
      ),
      with: [claim({ storageClassName: 'local-path' }), storageClass('local-path', true)],
      is: 'unwell',
      cause: /fits on no node: it asks for 1Gi/,
    },
    {
      name: 'a missing claim is named',
      of: unscheduled('0/1 nodes are available: persistentvolumeclaim "data" not found.'),
      is: 'unwell',
      cause: /wants claim data, which does not exist/,
    },
    {
      name: 'a volume on a lost node',
      of: unscheduled("0/2 nodes are available: 2 node(s) didn't match PersistentVolume's node affinity."),
      is: 'unwell',
      cause: /cannot start where its data is/,
    },
    {
      name: 'no nodes at all',
      of: unscheduled('0/0 nodes are available'),
      is: 'unwell',
      cause: /the cluster has no node/,
    },
    {
      name: 'an image that does not exist',
      of: waiting('ErrImagePull', 'failed to resolve reference "example.org/web:1": example.org/web:1: not found'),
      is: 'unwell',
      cause: /image example.org\/web:1 of pod web-1 cannot be pulled: the registry has no such image or tag/,
    },
    {
      name: "back-off says only that it backs off: the cause stands in the pod's events",
      of: waiting('ImagePullBackOff', 'Back-off pulling image "example.org/web:1"'),
      with: [
        event(
          pod({}),
          'Failed',
          'Failed to pull image "example.org/web:1": toomanyrequests: You have reached your pull rate limit',
        ),
      ],
      is: 'unwell',
      cause: /the registry limits anonymous pulls/,
    },
    {
      name: 'a node that cannot resolve',
      of: waiting('ErrImagePull', 'dial tcp: lookup registry-1.docker.io on 192.168.77.201:53: server misbehaving'),
      is: 'unwell',
      cause: /the node cannot resolve the name of the registry/,
    },
    {
      name: 'out of memory says the limit',
      of: object('Pod', 'web-1', {
        spec: { nodeName: 'n1', containers: [{ name: 'main', resources: { limits: { memory: '64Mi' } } }] },
        status: {
          phase: 'Running',
          containerStatuses: [
            {
              name: 'main',
              ready: false,
              restartCount: 1,
              state: { waiting: { reason: 'CrashLoopBackOff' } },
              lastState: { terminated: { reason: 'OOMKilled', exitCode: 137 } },
            },
          ],
        },
      }),
      is: 'unwell',
      cause: /used more memory than its limit of 64Mi and was killed, 1 restart/,
      fix: /logs web-1 -c main --previous/,
    },
    {
      name: 'a missing secret in the environment',
      of: waiting('CreateContainerConfigError', 'secret "admin" not found'),
      is: 'unwell',
      cause: /container main of pod web-1 cannot be started: secret "admin" not found/,
    },
    {
      name: 'a missing secret as a volume stands in events only',
      of: waiting('ContainerCreating', ''),
      with: [event(pod({}), 'FailedMount', 'MountVolume.SetUp failed for volume "tls" : secret "wildcard" not found')],
      is: 'unwell',
      cause: /needs the secret wildcard, which does not exist/,
    },
    {
      name: 'an init container that fails is named as one',
      of: pod({ initContainerStatuses: [{ name: 'seed', state: { terminated: { exitCode: 1 } } }] }),
      is: 'unwell',
      cause: /init container seed of pod web-1 failed: exit code 1/,
    },
    {
      name: 'a probe that fails at first is on its way',
      of: pod({
        phase: 'Running',
        containerStatuses: [{ name: 'main', ready: false, state: { running: { startedAt: ago(20) } } }],
        ...conditions(['Ready', 'False', 'ContainersNotReady', '', 20]),
      }),
      with: [event(pod({}), 'Unhealthy', 'Readiness probe failed: HTTP probe failed with statuscode: 503')],
      is: 'progressing',
      cause: /runs but is not ready: Readiness probe failed: HTTP probe failed with statuscode: 503/,
    },
    {
      name: 'and unwell when it goes on',
      of: pod({
        phase: 'Running',
        containerStatuses: [{ name: 'main', ready: false, state: { running: { startedAt: ago(900) } } }],
        ...conditions(['Ready', 'False', 'ContainersNotReady', '', 900]),
      }),
      is: 'unwell',
      cause: /runs but is not ready \(for 15 min\)/,
    },
    {
      name: 'a pod that cannot end with its dead node',
      of: object('Pod', 'web-1', {
        metadata: { deletionTimestamp: ago(400) },
        spec: { nodeName: 'n1' },
        status: { phase: 'Running' },
      }),
      with: [object('Node', 'n1', { status: conditions(['Ready', 'Unknown']) })],
      is: 'unwell',
      cause: /cannot end, because its node n1 does not answer/,
    },
    {
      name: 'an evicted pod',
      of: pod({ phase: 'Failed', reason: 'Evicted', message: 'The node was low on resource: ephemeral-storage.' }),
      is: 'unwell',
      cause: /was evicted from its node: The node was low on resource: ephemeral-storage/,
    },
  ],

  storage: [
    { name: 'a bound claim', of: claim({}, 'Bound'), is: 'ready' },
    {
      name: 'WaitForFirstConsumer without a pod is normal',
      of: claim({ storageClassName: 'local-path' }),
      with: [storageClass('local-path', true)],
      is: 'ready',
      cause: /gets its volume when a pod first wants it/,
    },
    {
      name: 'with a pod it is waited for',
      of: claim({ storageClassName: 'local-path' }),
      with: [
        storageClass('local-path', true),
        pod({}, { volumes: [{ persistentVolumeClaim: { claimName: 'data' } }] }),
      ],
      is: 'progressing',
      cause: /waits until pod web-1 has a node/,
    },
    {
      name: 'with a node it is up to the provisioner',
      of: claim({ storageClassName: 'local-path' }, 'Pending', {
        annotations: { 'volume.kubernetes.io/selected-node': 'n1' },
      }),
      with: [storageClass('local-path', true)],
      is: 'progressing',
      cause: /waits for a volume from rancher.io\/local-path/,
    },
    {
      name: 'what the provisioner says',
      of: claim({ storageClassName: 'local-path' }),
      with: [
        storageClass('local-path', true),
        event(claim({}), 'ProvisioningFailed', 'failed to create volume: no space left on device'),
      ],
      is: 'unwell',
      cause: /no space left on device/,
    },
    {
      name: 'no class named and none is the default',
      of: claim({}),
      with: [storageClass('local-path', false)],
      is: 'unwell',
      cause: /names no StorageClass, and the cluster has no default one/,
      fix: /01-storage-class/,
    },
    {
      name: 'a class that does not exist, in a cluster without any',
      of: claim({ storageClassName: 'local-path' }),
      known: ['StorageClass'],
      is: 'unwell',
      cause: /StorageClass local-path, which does not exist \(there is none\)/,
    },
    {
      name: 'nothing is said of classes that nobody asked for',
      of: claim({ storageClassName: 'local-path' }),
      is: 'progressing',
      cause: /waits for a volume from the StorageClass local-path/,
    },
    {
      name: 'one default class',
      of: storageClass('local-path', true),
      with: [storageClass('local-path', true), storageClass('nfs', false)],
      is: 'ready',
    },
    {
      name: 'two default classes, both named',
      of: storageClass('local-path', true),
      with: [storageClass('local-path', true), storageClass('longhorn', true)],
      is: 'unwell',
      cause: /2 StorageClasses are the default \(local-path, longhorn\)/,
      fix: /annotate storageclass longhorn storageclass.kubernetes.io\/is-default-class-$/,
    },
    {
      name: 'no default class',
      of: storageClass('nfs', false),
      with: [storageClass('nfs', false)],
      is: 'unwell',
      cause: /no StorageClass is the default/,
    },
  ],

  services: [
    {
      name: 'no load balancer, nothing to wait for',
      of: object('Service', 'web', { spec: { type: 'ClusterIP' } }),
      is: 'ready',
    },
    { name: 'an address', of: balancer({}, '192.168.77.200'), is: 'ready' },
    {
      name: 'the wanted address',
      of: balancer({ 'metallb.io/loadBalancerIPs': '192.168.77.200' }, '192.168.77.200'),
      is: 'ready',
    },
    {
      name: 'another address than the wanted one',
      of: balancer({ 'metallb.io/loadBalancerIPs': '192.168.77.201' }, '192.168.77.200'),
      is: 'unwell',
      cause: /has the address 192.168.77.200, but wants 192.168.77.201/,
    },
    {
      name: 'no pool',
      of: balancer(),
      known: ['IPAddressPool'],
      is: 'unwell',
      cause: /MetalLB has no address pool/,
      fix: /02-metallb/,
    },
    { name: 'not yet', of: balancer(), with: [pool], is: 'progressing', cause: /waits for its address/ },
    {
      name: 'the wanted address is outside the pool, which is named',
      of: balancer({ 'metallb.io/loadBalancerIPs': '192.168.77.230' }),
      with: [
        pool,
        event(
          balancer(),
          'AllocationFailed',
          'Failed to allocate IP for "lab/web": ["192.168.77.230"] is not allowed in config',
        ),
      ],
      is: 'unwell',
      cause: /wants the address 192.168.77.230, which lies outside the pool 192.168.77.200-192.168.77.220/,
    },
    {
      name: 'the pool is exhausted',
      of: balancer(),
      with: [pool, event(balancer(), 'AllocationFailed', 'Failed to allocate IP for "lab/web": no available IPs')],
      is: 'unwell',
      cause: /every address of the pool 192.168.77.200-192.168.77.220 is taken/,
    },
    {
      name: 'pools that touch are one range, and those for fixed addresses serve nobody else',
      of: balancer(),
      with: [
        object('IPAddressPool', 'fixed', {
          spec: { autoAssign: false, addresses: ['192.168.77.202/32', '192.168.77.200/31'] },
        }),
        object('IPAddressPool', 'free', { spec: { addresses: ['192.168.77.203-192.168.77.220'] } }),
        event(balancer(), 'AllocationFailed', 'Failed to allocate IP for "lab/web": no available IPs'),
      ],
      is: 'unwell',
      cause: /every address of the pool 192.168.77.203-192.168.77.220 is taken/,
    },
    {
      name: 'somebody else has it',
      of: balancer({ 'metallb.io/loadBalancerIPs': '192.168.77.200' }),
      with: [
        event(
          balancer(),
          'AllocationFailed',
          'Failed to allocate IP for "lab/web": can\'t change sharing key for "lab/web", address also in use by traefik/traefik',
        ),
      ],
      is: 'unwell',
      cause: /192.168.77.200, which traefik\/traefik already has/,
    },
  ],

  custom: [
    {
      name: 'a kind that is served',
      of: object('CustomResourceDefinition', 'x.y', { status: conditions(['Established', 'True']) }),
      is: 'ready',
    },
    {
      name: 'a kind that is not served yet',
      of: object('CustomResourceDefinition', 'x.y'),
      is: 'progressing',
      cause: /not served yet/,
    },
    {
      name: 'an issuer without its secret',
      of: object('ClusterIssuer', 'internal-ca', {
        status: conditions([
          'Ready',
          'False',
          'ErrGetKeyPair',
          'Error getting keypair for CA issuer: secrets "internal-ca" not found',
        ]),
      }),
      is: 'unwell',
      cause: /waits for the Secret internal-ca/,
    },
    {
      name: "Let's Encrypt and an address at example.com",
      of: object('ClusterIssuer', 'letsencrypt', {
        status: conditions([
          'Ready',
          'False',
          'ErrRegisterACMEAccount',
          'urn:ietf:params:acme:error:invalidContact: contact email has forbidden domain "example.com"',
        ]),
      }),
      is: 'unwell',
      cause: /Let's Encrypt refuses the e-mail address/,
    },
    {
      name: 'a certificate that is issued and not due',
      of: certificate({ ...conditions(['Ready', 'True']), notAfter: ago(-86_400), renewalTime: ago(-3600) }),
      is: 'ready',
    },
    {
      name: 'an expired certificate',
      of: certificate({ ...conditions(['Ready', 'True']), notAfter: ago(7200) }),
      is: 'unwell',
      cause: /certificate wildcard expired 2 h ago/,
    },
    {
      name: 'a renewal that is long overdue',
      of: certificate({ ...conditions(['Ready', 'True']), notAfter: ago(-86_400), renewalTime: ago(86_400 * 2) }),
      is: 'unwell',
      cause: /should have been renewed 2 days ago and ends in 24 h/,
    },
    {
      name: 'being issued',
      of: certificate(
        conditions(
          ['Ready', 'False', 'DoesNotExist', ''],
          ['Issuing', 'True', 'DoesNotExist', 'Issuing certificate as Secret does not exist'],
        ),
      ),
      is: 'progressing',
      cause: /is being issued: Issuing certificate as Secret does not exist/,
    },
    {
      name: 'its issuer does not exist',
      of: certificate(conditions(['Issuing', 'True'])),
      known: ['ClusterIssuer'],
      is: 'unwell',
      cause: /its ClusterIssuer lab does not exist/,
    },
    {
      name: 'the cause stands three objects further down, in the challenge',
      of: certificate(conditions(['Issuing', 'True'])),
      with: [
        owned(
          'CertificateRequest',
          'wildcard-1',
          certificate({}),
          conditions(['Ready', 'False', 'Pending', 'Waiting on certificate issuance']),
        ),
        owned('Order', 'wildcard-1-1', object('CertificateRequest', 'wildcard-1'), { state: 'pending' }),
        owned('Challenge', 'wildcard-1-1-1', object('Order', 'wildcard-1-1'), {
          reason: 'while attempting to find Zones: 9109: Invalid access token',
        }),
      ],
      is: 'unwell',
      cause: /Cloudflare refuses the token/,
    },
    {
      name: 'an application in order',
      of: object('Application', 'loki', { status: { health: { status: 'Healthy' }, sync: { status: 'Synced' } } }),
      is: 'ready',
    },
    {
      name: 'an application in order whose sync still runs: its hook may fail yet',
      of: inOrder({ phase: 'Running', message: 'waiting for completion of hook batch/Job/influxdb-setup' }),
      is: 'progressing',
      cause: /Healthy and Synced, a sync is running: waiting for completion of hook batch\/Job\/influxdb-setup/,
    },
    {
      name: 'an application in order whose last sync is over',
      of: inOrder({ phase: 'Succeeded', message: 'successfully synced (all tasks run)' }),
      is: 'ready',
    },
    {
      name: 'an application whose source was corrected since: the error of the other one is none any more',
      of: object('Application', 'loki', {
        spec: { source: { repoURL: 'https://git.lab/right.git', targetRevision: 'main', path: 'gitops/loki' } },
        status: {
          health: { status: 'Healthy' },
          sync: {
            status: 'Unknown',
            comparedTo: {
              source: { repoURL: 'https://git.lab/wrong.git', targetRevision: 'main', path: 'gitops/loki' },
            },
          },
          conditions: [{ type: 'ComparisonError', message: 'dial tcp: lookup git.lab: no such host' }],
        },
      }),
      is: 'progressing',
      cause: /has not looked at application loki yet since its source was changed/,
    },
    {
      name: 'an application whose new source is forbidden: nothing is compared, and that is said',
      of: object('Application', 'loki', {
        spec: { source: { repoURL: 'https://git.lab/forbidden.git' } },
        status: {
          health: { status: 'Unknown' },
          sync: { status: 'Unknown', comparedTo: { source: { repoURL: 'https://git.lab/before.git' } } },
          conditions: [
            {
              type: 'InvalidSpecError',
              message: 'application repo https://git.lab/forbidden.git is not permitted in project homelab',
            },
          ],
        },
      }),
      is: 'unwell',
      cause: /application loki: its project does not allow this/,
    },
    {
      name: 'an application whose source a hydrator writes',
      of: object('Application', 'loki', {
        spec: { sourceHydrator: { drySource: { repoURL: 'https://git.lab/a.git' } } },
        status: {
          health: { status: 'Healthy' },
          sync: { status: 'Synced', comparedTo: { source: { repoURL: 'https://git.lab/a.git', path: 'dev' } } },
        },
      }),
      is: 'ready',
    },
    {
      name: 'an application of two sources that it was compared with',
      of: object('Application', 'loki', {
        spec: {
          sources: [
            { repoURL: 'https://a', chart: 'loki', targetRevision: '1' },
            { repoURL: 'https://b', ref: 'values' },
          ],
        },
        status: {
          health: { status: 'Healthy' },
          sync: {
            status: 'Synced',
            comparedTo: {
              source: { repoURL: '' },
              sources: [
                { repoURL: 'https://a', chart: 'loki', targetRevision: '1' },
                { repoURL: 'https://b', ref: 'values' },
              ],
            },
          },
        },
      }),
      is: 'ready',
    },
    {
      name: 'a degraded application names the resource',
      of: object('Application', 'loki', {
        status: {
          health: { status: 'Degraded' },
          sync: { status: 'Synced' },
          resources: [{ kind: 'StatefulSet', name: 'loki', health: { status: 'Degraded', message: 'pod crashed' } }],
        },
      }),
      is: 'unwell',
      cause: /application loki is degraded: StatefulSet loki, pod crashed/,
    },
    {
      name: 'a Git repository that refuses us',
      of: uncompared('failed to list refs: authentication required'),
      is: 'unwell',
      cause: /the Git server refuses the credentials/,
    },
    {
      name: 'a branch that is not there',
      of: uncompared("rpc error: code = Unknown desc = unable to resolve 'no-such' to a commit SHA"),
      is: 'unwell',
      cause: /the branch or tag does not exist/,
      fix: /GIT_REVISION/,
    },
    {
      name: 'a repository that is not there',
      of: uncompared('failed to list refs: repository not found'),
      is: 'unwell',
      cause: /the Git repository does not exist, or is private/,
      fix: /GIT_REPOSITORY/,
    },
    {
      name: 'values that are no YAML',
      of: uncompared(
        '`helm template . --values /tmp/x/infrastructure/logging/loki/values.yaml` failed exit status 1: Error: failed to parse /tmp/x/infrastructure/logging/loki/values.yaml: error converting YAML to JSON',
      ),
      is: 'unwell',
      cause: /the values in values\.yaml are no YAML/,
      fix: /make check/,
    },
    {
      name: 'a chart that its repository does not have',
      of: uncompared(
        'invalid revision: failed to get version from constraint: no version for constraint found; chart "loki" not found',
      ),
      is: 'unwell',
      cause: /the chart, or that version of it, is not in its repository/,
      fix: /targetRevision/,
    },
    {
      name: 'an application that waits: the cause is that of what it waits for',
      of: object('Application', 'loki', {
        spec: { syncPolicy: { automated: {} } },
        status: {
          health: { status: 'Progressing' },
          sync: { status: 'Synced' },
          resources: [
            { kind: 'PersistentVolumeClaim', name: 'storage', namespace: 'lab', health: { status: 'Healthy' } },
            { kind: 'Namespace', name: 'lab', health: { status: 'Progressing' } },
          ],
        },
      }),
      with: [
        object('Namespace', 'lab', {
          metadata: { namespace: undefined },
          status: {
            phase: 'Terminating',
            ...conditions(['NamespaceDeletionContentFailure', 'True', 'x', 'held by a finalizer']),
          },
        }),
      ],
      is: 'unwell',
      cause: /application loki: namespace lab cannot end: held by a finalizer/,
    },
    {
      name: 'an application that only names what it waits for',
      of: object('Application', 'velero', {
        spec: { syncPolicy: { automated: {} } },
        status: {
          health: { status: 'Progressing', message: 'Caused by velero.io/Schedule:velero/velero-daily and 1 more' },
          sync: { status: 'Synced' },
        },
      }),
      is: 'progressing',
      cause: /application velero is Progressing and Synced: Schedule velero-daily is progressing/,
    },
    {
      name: 'a sync that failed says on what',
      of: object('Application', 'loki', {
        status: {
          health: { status: 'Missing' },
          sync: { status: 'OutOfSync' },
          operationState: {
            phase: 'Failed',
            message: 'one or more objects failed to apply',
            syncResult: {
              resources: [{ status: 'SyncFailed', message: 'the server could not find the requested resource' }],
            },
          },
        },
      }),
      is: 'unwell',
      cause: /could not be synced: a kind \(CRD\) that it needs is not installed/,
    },
    {
      name: 'a manifest that is no YAML',
      of: object('Application', 'welcome', {
        status: {
          conditions: [
            {
              type: 'ComparisonError',
              message:
                "Failed to load target state: `kustomize build /tmp/x` failed exit status 1: Error: accumulating resources from 'service.yaml': MalformedYAMLError: yaml: line 3: found character that cannot start any token in File: service.yaml",
            },
          ],
        },
      }),
      is: 'unwell',
      cause: /the manifest service\.yaml is no YAML/,
    },
    {
      name: 'a sync under way',
      of: object('Application', 'loki', {
        spec: { syncPolicy: { automated: {} } },
        status: { health: { status: 'Missing' }, sync: { status: 'OutOfSync' }, operationState: { phase: 'Running' } },
      }),
      is: 'progressing',
      cause: /Missing and OutOfSync, a sync is running/,
    },
  ],

  others: [
    { name: 'an active namespace', of: object('Namespace', 'lab', { status: { phase: 'Active' } }), is: 'ready' },
    {
      name: 'a namespace that a dead API holds',
      of: object('Namespace', 'lab', {
        metadata: { deletionTimestamp: ago(60) },
        status: {
          phase: 'Terminating',
          ...conditions([
            'NamespaceDeletionDiscoveryFailure',
            'True',
            'DiscoveryFailed',
            'Discovery failed for some groups, 1 failing: unable to retrieve the complete list of server APIs: metrics.k8s.io/v1beta1: stale GroupVersion discovery: metrics.k8s.io/v1beta1',
          ]),
        },
      }),
      is: 'unwell',
      cause: /an API is registered whose server does not answer: metrics.k8s.io\/v1beta1/,
    },
    {
      name: 'a namespace that a finalizer holds',
      of: object('Namespace', 'lab', {
        metadata: { deletionTimestamp: ago(60) },
        status: {
          phase: 'Terminating',
          ...conditions(
            [
              'NamespaceContentRemaining',
              'True',
              'SomeResourcesRemain',
              'Some resources are remaining: configmaps. has 1 resource instances',
            ],
            [
              'NamespaceFinalizersRemaining',
              'True',
              'SomeFinalizersRemain',
              'Some content in the namespace has finalizers remaining: example.org/keep in 1 resource instances',
            ],
          ),
        },
      }),
      is: 'unwell',
      cause: /example.org\/keep in 1 resource instances must be released first .*configmaps/,
    },
    {
      name: 'a node that is gone',
      of: object('Node', 'n1', { status: conditions(['Ready', 'Unknown']) }),
      is: 'unwell',
      cause: /node n1 does not answer/,
    },
    {
      name: 'a node short of disk',
      of: object('Node', 'n1', { status: conditions(['Ready', 'True'], ['DiskPressure', 'True']) }),
      is: 'unwell',
      cause: /node n1 is short of disk/,
    },
    {
      name: 'an ingress that leads nowhere',
      of: object('Ingress', 'web', {
        spec: { rules: [{ http: { paths: [{ backend: { service: { name: 'web' } } }] } }] },
      }),
      known: ['Service'],
      is: 'unwell',
      cause: /leads to the Service web, which does not exist/,
    },
    {
      name: 'an ingress of an unknown class',
      of: object('Ingress', 'web', { spec: { ingressClassName: 'nginx' } }),
      with: [object('IngressClass', 'traefik')],
      is: 'unwell',
      cause: /wants the class nginx, which does not exist/,
    },
    { name: 'a kind without rules exists, so it is ready', of: object('ConfigMap', 'x'), is: 'ready' },
  ],
}

for (const [group, rows] of Object.entries(cases))
  describe(group, () => {
    for (const row of rows)
      test(row.name, () => {
        const health = judge(row.of, new Snapshot([...(row.with ?? [])], { now, known: row.known ?? [] }))
        assert.equal(health.state, row.is, health.cause)
        if (row.cause) assert.match(health.cause ?? '', row.cause)
        else assert.equal(health.cause, undefined)
        if (row.fix) assert.match(health.fix ?? '', row.fix)
        if (health.state === 'unwell') assert.ok(health.fix, 'what is unwell has a next command')
        assert.doesNotMatch(health.cause ?? '', /undefined|\n|\.$/)
      })
  })

test('pools that touch are shown as one range', () => {
  const pools = (...addresses: string[]) =>
    poolRanges(new Snapshot([object('IPAddressPool', 'homelab', { spec: { addresses } })]))
  assert.deepEqual(
    pools('192.168.77.203-192.168.77.220', '192.168.77.200/32', '192.168.77.201/32', '192.168.77.202/32'),
    ['192.168.77.200-192.168.77.220'],
  )
  assert.deepEqual(pools('10.0.0.9/32', '10.0.0.1-10.0.0.3'), ['10.0.0.1-10.0.0.3', '10.0.0.9'])
  assert.deepEqual(pools('fd00::1-fd00::9'), ['fd00::1-fd00::9'])
})

test('what is not there is missing', () => {
  assert.deepEqual(judge(undefined, new Snapshot([])), { state: 'missing' })
})

test('several judgements become the worst one, of equals the one that knows a cause', () => {
  assert.equal(combine([]).state, 'missing')
  assert.equal(combine([{ state: 'ready' }, { state: 'progressing', cause: 'a' }]).cause, 'a')
  assert.equal(
    combine([{ state: 'progressing', cause: 'a' }, { state: 'unwell' }, { state: 'unwell', cause: 'b' }]).cause,
    'b',
  )
})

test('quantities', () => {
  assert.equal(quantity('250m'), 0.25)
  assert.equal(quantity('1.5Gi'), 1.5 * 2 ** 30)
  assert.equal(quantity('1e3'), 1000)
  assert.equal(quantity('10 GB'), Number.NaN)
  assert.equal(formatQuantity('cpu', 0.25), '250m CPU')
  assert.equal(formatQuantity('memory', 1.5 * 2 ** 30), '1.5Gi')
})

test("a pod's requests: containers add up, init containers take turns, sidecars stay", () => {
  const memory = (amount: string) => ({ resources: { requests: { memory: amount } } })
  const spec = {
    containers: [memory('1Gi'), { resources: { limits: { memory: '1Gi' } } }],
    initContainers: [{ ...memory('512Mi'), restartPolicy: 'Always' }, memory('3Gi')],
  }
  assert.equal(podRequests(spec).memory, 3.5 * 2 ** 30)
  assert.equal(podRequests({ ...spec, initContainers: [] }).memory, 2 * 2 ** 30)
})

test('judging everything reads each pod a fixed number of times, however many there are', () => {
  const reads = (workloads: number): number => {
    let count = 0
    const objects: K8sObject[] = []
    for (let i = 0; i < workloads; i++) {
      const own = { team: 'all', app: `a${i}` }
      objects.push(
        object('Deployment', `a${i}`, {
          spec: { replicas: 5, selector: { matchLabels: own } },
          status: { observedGeneration: 1, replicas: 5 },
        }),
      )
      for (let j = 0; j < 5; j++) {
        const one = object('Pod', `a${i}-${j}`, { spec: { nodeName: 'n1' }, status: { phase: 'Running' } })
        Object.defineProperty(one.metadata, 'labels', {
          get: () => {
            count++
            return own
          },
        })
        objects.push(one)
      }
    }
    const snapshot = new Snapshot(objects, { now })
    for (const one of snapshot.of('Deployment')) judge(one, snapshot)
    return count / (workloads * 5)
  }
  const few = reads(10)
  assert.notEqual(few, 0)
  assert.equal(reads(200), few)
})
