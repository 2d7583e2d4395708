// W: webhooks that are late or never come, kinds that are not there, a dead aggregated API.
import { Fails, type Row } from '../row.ts'
import { bootstrap, sleepSeconds } from '../trial.ts'

/** A kind of somebody else's making. */
export const definition = (plural: string, group: string, kind: string, singular = kind.toLowerCase()): object => ({
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `${plural}.${group}` },
  spec: {
    group,
    names: { kind, plural, singular },
    scope: 'Namespaced',
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
})

const short = { HOMELAB_PATIENCE: '8' }

export const webhooks: readonly Row[] = [
  {
    id: 'W1',
    fault: "nobody stands behind MetalLB's webhook for 20 s",
    expect: 'the run waits, names it and goes on; no webhook configuration is deleted',
    quick: true,
    async run(trial) {
      await trial.switchOff('metallb-controller')
      let back: Promise<void> | undefined
      let seen = ''
      const ended = await trial.run(bootstrap, [], {
        onEvent: ({ text = '' }) => {
          if (!/waiting: the webhook .*metallb/.test(text)) return
          seen = text
          back ??= sleepSeconds(20).then(() => trial.switchOff())
        },
      })
      if (!back) throw new Fails('void', 'nobody waited for the webhook')
      await back
      trial.fired(seen)
      trial.expect(
        !ended.writes.some(({ verb, object }) => verb.startsWith('delete') && object.includes('webhook')),
        'a webhook configuration was deleted',
      )
      await trial.converged(ended)
    },
  },
  {
    id: 'W3',
    fault: "nobody ever stands behind MetalLB's webhook",
    expect: 'ends with the name of the webhook and why it does not answer',
    ends: 'refused',
    async run(trial) {
      await trial.switchOff('metallb-controller')
      const ended = await trial.run(bootstrap, ['--only', '01,02'], { env: short })
      trial.refused(ended, 1, /failed calling webhook \\"ipaddresspoolvalidationwebhook\.metallb\.io\\".*metallb/s)
      trial.fired('the webhook had no process')
      await trial.switchOff()
      await trial.converged(await trial.run())
    },
  },
  {
    id: 'W4-ending',
    fault: 'a kind of cert-manager is being deleted, and an object of it holds it up',
    expect: 'refused before the first write; the kind and what holds it are named',
    ends: 'refused',
    async run(trial) {
      await trial.others([definition('certificates', 'cert-manager.io', 'Certificate')])
      await trial.kubectl(['wait', '--for=condition=Established', 'crd/certificates.cert-manager.io', '--timeout=20s'])
      await trial.others([
        {
          apiVersion: 'cert-manager.io/v1',
          kind: 'Certificate',
          metadata: { name: 'stuck', namespace: 'default', finalizers: ['example.org/held'] },
        },
      ])
      await trial.kubectl(['delete', 'crd', 'certificates.cert-manager.io', '--wait=false'])
      await trial.until('the kind ends', async () => {
        const found = await trial.admin.find('customresourcedefinition/certificates.cert-manager.io')
        return JSON.stringify(found?.status).includes('InstanceDeletionInProgress')
      })
      const ended = await trial.run()
      trial.fired('the kind was Terminating')
      trial.refused(ended, 3, /the kind certificates\.cert-manager\.io is being deleted.*finalizers/s)
      trial.untouched(ended.writes)
      await trial.kubectl([
        'patch',
        'certificate.cert-manager.io',
        'stuck',
        '--type=merge',
        '-p',
        '{"metadata":{"finalizers":null}}',
      ])
      await trial.kubectl(['wait', '--for=delete', 'crd/certificates.cert-manager.io', '--timeout=20s'])
    },
  },
  {
    id: 'W4-names',
    fault: "another kind has taken a name of Traefik's, so that one is never Established",
    expect: 'ends with the name of the kind that is not served, and of the one that has taken its name',
    ends: 'refused',
    async run(trial) {
      await trial.others([definition('others', 'traefik.io', 'Other', 'ingressroute')])
      const ended = await trial.run(bootstrap, ['--only', '02,04'], { env: short })
      const found = await trial.admin.find('customresourcedefinition/ingressroutes.traefik.io')
      if (/"Established","status":"True"|NamesAccepted.{0,200}"status":"True"/.test(JSON.stringify(found?.status)))
        throw new Fails('void', 'the kind was served')
      trial.fired('ingressroutes.traefik.io was not Established')
      trial.refused(
        ended,
        1,
        /ingressroutes\.traefik\.io is not served.*already in use, by others\.traefik\.io.*delete crd others/s,
      )
      await trial.kubectl(['delete', 'crd', 'others.traefik.io'])
      await trial.converged(await trial.run())
    },
  },
  {
    id: 'W6',
    on: 'built',
    fault: 'a dead aggregated API while a step is uninstalled: no namespace can end',
    expect: 'ends with the name of the API; no finalizer of a namespace is taken off',
    ends: 'refused',
    async run(trial) {
      await trial.others([
        {
          apiVersion: 'apiregistration.k8s.io/v1',
          kind: 'APIService',
          metadata: { name: 'v1.dead.example.com' },
          spec: {
            group: 'dead.example.com',
            version: 'v1',
            groupPriorityMinimum: 100,
            versionPriority: 100,
            insecureSkipTLSVerify: true,
            service: { namespace: 'default', name: 'nobody' },
          },
        },
      ])
      await sleepSeconds(2)
      const ended = await trial.run('bootstrap/06-rancher.ts', ['--uninstall'], { env: short })
      trial.fired('the APIService had no Service')
      trial.refused(ended, 1, /dead\.example\.com/)
      trial.expect(
        !ended.writes.some(({ verb, object }) => verb !== 'delete' && object === 'namespaces cattle-system'),
        'the namespace was changed',
      )
      await trial.kubectl(['delete', 'apiservice', 'v1.dead.example.com'])
      await trial.until('the namespace has ended', async () => !(await trial.admin.find('namespace/cattle-system')))
      await trial.converged(await trial.run())
    },
  },
]
