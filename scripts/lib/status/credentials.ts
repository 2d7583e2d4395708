// The generated passwords: where each lies in the cluster, and how its owner reads it. Lists names, never values.

import { Cluster } from '../cluster.ts'
import { exit, HomelabError } from '../errors.ts'
import { paint, print } from '../output.ts'
import { pasteable } from '../site/choose.ts'
import type { Site } from '../site/site.ts'

export interface Credential {
  name: string
  /** namespace/name of the Secret, and the key in it. */
  secret: string
  key: string
  user?: string
  url?: string
  note?: string
}

/** Those of the platform. What the applications have is found by our label. */
function platformCredentials({ domain, rancher }: Pick<Site, 'domain' | 'rancher'>): Credential[] {
  return [
    {
      name: 'adguard',
      secret: 'adguard/adguard-admin',
      key: 'password',
      user: 'admin',
      url: `https://adguard.${domain}`,
    },
    {
      name: 'traefik',
      secret: 'traefik/dashboard-auth',
      key: 'password',
      user: 'admin',
      url: `https://traefik.${domain}`,
    },
    ...(rancher
      ? [
          {
            name: 'rancher',
            secret: 'cattle-system/bootstrap-secret',
            key: 'bootstrapPassword',
            user: 'admin',
            url: `https://rancher.${domain}`,
            note: 'for the first login only, which asks for a new password',
          },
        ]
      : []),
    {
      name: 'argocd',
      secret: 'argocd/argocd-initial-admin-secret',
      key: 'password',
      user: 'admin',
      url: `https://argocd.${domain}`,
      note: 'until you change it; then delete this Secret',
    },
  ]
}

/** Keys that a person types; hashes and certificates beside them are for programs. */
const typed = /^(admin-?)?(password|token)$|-(password|token)$/i

/** Names and keys of Secrets. The template runs inside kubectl, so no value comes to us. */
const namesAndKeys =
  '{{.metadata.namespace}}/{{.metadata.name}}{{range $key, $value := .data}} {{$key}}{{end}}{{"\\n"}}'

async function read(site: Site): Promise<(Credential & { exists: boolean })[]> {
  const cluster = new Cluster(site)
  const known = platformCredentials(site)
  const labelled = cluster.kubectl(
    [
      'get',
      'secrets',
      '-A',
      '-l',
      'app.kubernetes.io/managed-by=homelab',
      '-o',
      `go-template={{range .items}}${namesAndKeys}{{end}}`,
    ],
    { timeout: 5 },
  )
  const each = known.map(({ secret }) => {
    const [namespace = '', name = ''] = secret.split('/')
    return cluster.kubectl(
      ['get', 'secret', name, '-n', namespace, '--ignore-not-found', '-o', `go-template=${namesAndKeys}`],
      { timeout: 5 },
    )
  })
  const [all, ...answers] = await Promise.all([labelled, ...each])
  if (all.code !== 0) {
    const { why, fix } = cluster.failure('reading the Secrets', all)
    throw new HomelabError({
      what: 'the cluster cannot be read',
      ...(why ? { why } : {}),
      ...(fix ? { fix } : {}),
      code: exit.usage,
    })
  }
  const others = all.stdout
    .split('\n')
    .map(line => line.split(' '))
    .flatMap(([secret = '', ...keys]) => keys.filter(key => typed.test(key)).map(key => ({ secret, key })))
    .filter(({ secret, key }) => !known.some(one => one.secret === secret && one.key === key))
    .map(({ secret, key }) => ({ name: key === 'password' ? secret : `${secret}:${key}`, secret, key, exists: true }))
  return [
    ...known.map((one, i) => ({ ...one, exists: (answers[i]?.stdout ?? '').split(/\s/).includes(one.key) })),
    ...others,
  ]
}

/** The command that prints one, on every system that has kubectl. */
function readCommand({ secret, key }: Credential, site: Site): string {
  const [namespace, name] = secret.split('/')
  return pasteable(
    `kubectl -n ${namespace} get secret ${name} -o go-template='{{index .data "${key}" | base64decode}}{{"\\n"}}'`,
    site,
  )
}

export async function listCredentials(site: Site, json: boolean): Promise<void> {
  const all = await read(site)
  if (json) {
    print(JSON.stringify(all.map(one => ({ ...one, ...(one.exists ? { command: readCommand(one, site) } : {}) }))))
    return
  }
  for (const one of all) {
    print(
      `${paint('bold', one.name.padEnd(10))} ${[one.url, one.user ? `user ${one.user}` : undefined].filter(Boolean).join(' · ') || one.secret}`,
    )
    if (one.note) print(`           ${paint('dim', one.note)}`)
    print(
      `           ${one.exists ? readCommand(one, site) : paint('dim', `not there: the Secret ${one.secret} does not exist`)}`,
    )
  }
  const first = all.find(one => one.exists)
  if (first)
    print(
      `\nnext: run a command above, or scripts/credentials.ts${site.sandbox ? ' --sandbox' : ''} --show ${first.name}`,
    )
  else print('\nnext: make install')
}

/**
 * Prints one password on standard output, for a terminal or a clipboard program, and for whom on standard error.
 * @throws HomelabError (exit 2) for a name that is not in the list, (exit 1) when its Secret is not there
 */
export async function showCredential(site: Site, name: string): Promise<void> {
  const all = await read(site)
  const found = all.find(one => one.name === name)
  if (!found)
    throw new HomelabError({
      what: `there is no credential ${name}`,
      fix: `one of: ${all.map(one => one.name).join(', ')}`,
      code: exit.usage,
    })
  const [namespace = '', secret = ''] = found.secret.split('/')
  const ran = await new Cluster(site).kubectl(
    ['get', 'secret', secret, '-n', namespace, '-o', `go-template={{index .data "${found.key}" | base64decode}}`],
    { timeout: 5 },
  )
  if (ran.code !== 0 || !found.exists)
    throw new HomelabError({
      what: `the Secret ${found.secret} is not there`,
      why: found.note ?? 'its component is not installed',
      fix: 'make status',
    })
  print(
    `${[found.user ? `user ${found.user}` : undefined, found.url, found.note].filter(Boolean).join(' · ')}`,
    process.stderr,
  )
  // Past the redactor, on purpose: this is the one place where an owner asks to see it.
  process.stdout.write(process.stdout.isTTY ? `${ran.stdout}\n` : ran.stdout)
}
