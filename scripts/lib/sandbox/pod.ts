// A pod as far as a local program needs it, what such a program is, and what the pod tells it.
import type { Api, KubeObject } from './api.ts'
import type { ExtraName } from './extras.ts'
import type { ProgramName } from './programs.ts'
import type { SandboxRecord } from './record.ts'

export interface ValueFrom {
  fieldRef?: { fieldPath: string }
  configMapKeyRef?: { name: string; key: string; optional?: boolean }
  secretKeyRef?: { name: string; key: string; optional?: boolean }
}

export interface Container {
  name: string
  image: string
  args?: string[]
  env?: { name: string; value?: string; valueFrom?: ValueFrom }[]
  ports?: { name?: string; containerPort: number; protocol?: string }[]
  volumeMounts?: { name: string; mountPath: string }[]
}

export interface Pod extends KubeObject {
  spec: {
    nodeName?: string
    serviceAccountName?: string
    containers: Container[]
    volumes?: { name: string; secret?: { secretName: string }; persistentVolumeClaim?: { claimName: string } }[]
  }
  status?: { podIP?: string; phase?: string; conditions?: { type: string; status: string }[] }
}

/** What a builder may use. */
export interface Place {
  record: SandboxRecord
  api: Api
  pod: Pod & { metadata: { namespace: string } }
  container: Container
  /** A folder of this process alone. */
  dir: string
  /** Reaches the API server as the pod's ServiceAccount. */
  kubeconfig: string
  /** The folder that stands for a claim's volume; it lives as long as the volume. */
  volume: (claim: string) => string | undefined
}

export interface Launch {
  /** What is started, when it is not one of the sandbox's own programs. Its path leads through the process's folder. */
  path?: string
  args: string[]
  env: Record<string, string>
  /** `9443/tcp` of the container → port on 127.0.0.1 */
  ports: Record<string, number>
  /** Secrets that a kubelet would have put into folders, kept up to date while the program runs. */
  secrets?: { name: string; dir: string }[]
}

export interface LocalProgram {
  /** The name by which it is switched off, and that of its log. */
  name: string
  /** One of the sandbox's own programs, or … */
  program?: ProgramName
  /** … one of an optional group, for sandboxes that were asked for it; `Launch.path` says what is started. */
  extra?: ExtraName
  /** The version that runs, a key of `Programs.versions`: a pod that names another one is noted in the log. */
  version?: 'metallb' | 'cert-manager' | 'adguard'
  /** Matches the container's image, without registry, tag and digest. */
  image: RegExp
  /** Which of the containers with this image, when not all. */
  only?: (pod: Pod, container: Container) => boolean
  launch: (place: Place) => Promise<Launch>
}

/** `registry:5000/a/b:v1@sha256:…` → `a/b` with the registry kept, tag `v1`. */
export function splitImage(image: string): { name: string; tag: string } {
  const [, name = image, tag = ''] = /^(.+?)(?::([^/:@]+))?(?:@.+)?$/.exec(image) ?? []
  return { name, tag }
}

export const isReady = (pod: Pod): boolean =>
  !pod.metadata.deletionTimestamp &&
  (pod.status?.conditions ?? []).some(({ type, status }) => type === 'Ready' && status === 'True')

/** The container's environment as far as it is literal or from the pod's own fields. */
export function environment(pod: Pod, container: Container): Record<string, string> {
  const fields: Record<string, string | undefined> = {
    'metadata.name': pod.metadata.name,
    'metadata.namespace': pod.metadata.namespace,
    'metadata.uid': pod.metadata.uid,
    'spec.nodeName': pod.spec.nodeName,
    'spec.serviceAccountName': pod.spec.serviceAccountName,
    'status.podIP': pod.status?.podIP,
  }
  const env: Record<string, string> = {}
  for (const { name, value, valueFrom } of container.env ?? []) {
    const text = valueFrom ? fields[valueFrom.fieldRef?.fieldPath ?? ''] : (value ?? '')
    if (text !== undefined) env[name] = text
  }
  return env
}

/**
 * The container's own arguments with `$(NAME)` filled in, without those flags that name ports and folders of a
 * container: here they mean nothing, and the builder gives its own.
 */
export function ownArguments(container: Container, env: Record<string, string>, without: readonly string[]): string[] {
  return (container.args ?? [])
    .map(argument => argument.replace(/\$\((\w+)\)/g, (whole, name: string) => env[name] ?? whole))
    .filter(argument => !without.includes(argument.replace(/^--?/, '').split('=')[0] ?? ''))
}
