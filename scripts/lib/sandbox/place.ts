// What the launch of a real program asks of its place: an optional program, and what its pod's environment says.
import { rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import type { ExtraName } from './extras.ts'
import { type Container, environment, type Place, type Pod } from './pod.ts'
import type { RunningExtra } from './record.ts'

/** The optional programs of that group, as this sandbox has them. */
export function extraOf({ record }: Place, name: ExtraName): RunningExtra {
  const found = record.extras?.[name]
  if (!found) throw new Error(`this sandbox was not asked to run ${name}`)
  return found
}

/** The port on 127.0.0.1 by which programs of one group find each other. */
export function extraPort(place: Place, name: ExtraName, port: string): number {
  const found = extraOf(place, name).ports[port]
  if (found === undefined) throw new Error(`${name} has no port ${port}: see extras.ts`)
  return found
}

/**
 * An optional program as a path for `Launch.path`: in the process's own folder, which says whose it is.
 * @param as the name under which it is started, when that decides what it does
 */
export async function extraProgram(place: Place, name: ExtraName, program: string, as = program): Promise<string> {
  const path = join(place.dir, as)
  await rm(path, { force: true })
  await symlink(join(extraOf(place, name).dir, program), path)
  return path
}

/** The container's environment, with what stands in ConfigMaps and Secrets; what is missing there is left out. */
export async function configured({ api, pod, container }: Place): Promise<Record<string, string>> {
  const env = environment(pod, container)
  const read = async (kind: string, name: string) => {
    const path = `/api/v1/namespaces/${pod.metadata.namespace}/${kind}/${name}`
    return (await api.request<{ data?: Record<string, string> }>('GET', path)).body.data ?? {}
  }
  for (const { name, valueFrom } of container.env ?? []) {
    const { configMapKeyRef: map, secretKeyRef: secret } = valueFrom ?? {}
    const text = map ? (await read('configmaps', map.name))[map.key] : undefined
    const hidden = secret ? (await read('secrets', secret.name))[secret.key] : undefined
    const value = text ?? (hidden === undefined ? undefined : Buffer.from(hidden, 'base64').toString())
    if (value !== undefined) env[name] = value
  }
  return env
}

/** Secrets that the container has in folders, for the folders that are wanted here. */
export function secretMounts(
  pod: Pod,
  container: Container,
  where: (mountPath: string) => string | undefined,
): { name: string; dir: string }[] {
  return (container.volumeMounts ?? []).flatMap(({ name, mountPath }) => {
    const secret = pod.spec.volumes?.find(volume => volume.name === name)?.secret?.secretName
    const dir = where(mountPath)
    return secret && dir ? [{ name: secret, dir }] : []
  })
}
