// Velero's server in the place of its fake pod. The node agent has no real program here: volumes hold no bytes.
import { mkdir, rm, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { socketFolder } from '../paths.ts'
import { extraOf, extraPort, extraProgram } from '../place.ts'
import { environment, type Launch, type LocalProgram, ownArguments, type Place } from '../pod.ts'
import { freePort } from '../ports.ts'

export const velero: LocalProgram = {
  name: 'velero',
  extra: 'backup',
  image: /(^|\/)velero\/velero$/,
  only: (_, { args = [] }) => args[0] === 'server', // the node agent has the same image
  launch,
}

async function launch(place: Place): Promise<Launch> {
  const { pod, container, dir, kubeconfig } = place
  const [metrics, profiler] = [await freePort(), await freePort()]
  const plugins = join(dir, 'plugins') // what the pod's init container would have copied
  await mkdir(plugins, { recursive: true })
  const plugin = join(plugins, 'velero-plugin-for-aws')
  await rm(plugin, { force: true })
  await symlink(join(extraOf(place, 'backup').dir, 'velero-plugin-for-aws'), plugin)
  const sockets = socketFolder(place.record.dir, 'plugins')
  await mkdir(sockets, { recursive: true, mode: 0o700 })
  const env = environment(pod, container)
  const ours = ['metrics-address', 'profiler-address', 'plugin-dir', 'namespace']
  return {
    path: await extraProgram(place, 'backup', 'velero'),
    args: [
      ...ownArguments(container, env, ours),
      `--metrics-address=127.0.0.1:${metrics}`,
      `--profiler-address=127.0.0.1:${profiler}`,
      `--plugin-dir=${plugins}`,
      `--namespace=${pod.metadata.namespace}`,
      `--kubeconfig=${kubeconfig}`,
    ],
    env: {
      ...env,
      VELERO_SCRATCH_DIR: dir,
      HOME: dir,
      TMPDIR: dir, // its plugin's credentials lie there
      PLUGIN_UNIX_SOCKET_DIR: sockets, // not below TMPDIR: the path of a socket has 107 bytes at most
      // The S3 server of the site, whatever its address is, is the sandbox's own.
      HTTP_PROXY: `http://127.0.0.1:${extraPort(place, 'backup', 's3')}`,
    },
    ports: { '8085/tcp': metrics },
  }
}
