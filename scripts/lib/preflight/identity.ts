// The API server, who it is, and what we may do there.
import { duration } from '../health/judged.ts'
import { condition, numberAt, timeAt } from '../k8s.ts'
import { endedCertificate, renewCredentials } from './access.ts'
import { type Check, few, problem, type Result, unknown, warning, well } from './check.ts'
import { chosen } from './ours.ts'

const day = 86_400_000

// k0sctl warns at 30 s, linkerd refuses above five minutes; a certificate issued now must be valid everywhere.
const skewNoticed = 30_000
const skewRefused = 300_000

// What an admission plugin or webhook says when it has looked and will not have it.
const refuses = /denied the request|denied:|violates/

const syncClocks = 'start time synchronisation on all machines: sudo timedatectl set-ntp true'

export const identity: readonly Check[] = [
  {
    id: 'cluster.api',
    title: 'API server',
    look({ readyz, kubernetes, access }) {
      if (readyz !== 'ok')
        return problem({
          what: `the API server answers, but is not ready: ${readyz}`,
          fix: "kubectl get --raw '/readyz?verbose'",
        })
      if (access.insecure)
        return warning({
          what: `the certificate of ${access.server} is not checked`,
          why: 'the kubeconfig says insecure-skip-tls-verify: whoever answers there receives the keys of the cluster',
          fix: 'copy the kubeconfig anew from the server: it brings the certificate authority along',
        })
      return well(`${kubernetes} at ${access.server}`)
    },
  },
  {
    id: 'cluster.identity',
    title: 'Identity',
    look({ site, uid }) {
      if (site.sandbox) return well('a sandbox')
      if ('unknown' in uid) return unknown(`which cluster this is: ${uid.unknown}`)
      // Another UID than the one in .env ends the run before any check.
      return well(site.clusterUid ? `UID ${uid.value}, as in ${site.file}` : `UID ${uid.value}, not yet confirmed`)
    },
  },
  {
    id: 'cluster.credentials',
    title: 'Credentials',
    look({ access, now }) {
      if ('unknown' in access.ends) return unknown(`until when they are valid: ${access.ends.unknown}`)
      const left = access.ends.value - now
      const until = new Date(access.ends.value).toISOString().slice(0, 10)
      if (left >= 30 * day) return well(`valid until ${until} (${Math.floor(left / day)} days)`)
      if (left <= 0) return problem(endedCertificate(access.ends.value))
      return warning({
        what: `the kubeconfig's certificate ends in ${duration(left)}, on ${until}`,
        fix: renewCredentials,
        link: 'infrastructure/docs/PREPARE.md',
      })
    },
  },
  {
    id: 'cluster.rights',
    title: 'Rights',
    look({ rights }) {
      if ('unknown' in rights) return unknown(rights.unknown)
      if (rights.value.length === 0) return well('everything that the steps do')
      return problem({
        what: `the kubeconfig's user may not do what the steps do: ${few(rights.value)}`,
        why: 'they make namespaces, CRDs, roles and webhooks: that takes an administrator',
        fix: "use the server's own kubeconfig (k3s: /etc/rancher/k3s/k3s.yaml, RKE2: /etc/rancher/rke2/rke2.yaml), or bind the user to the ClusterRole cluster-admin",
      })
    },
  },
  {
    id: 'cluster.admission',
    title: 'Pod Security',
    look(facts) {
      const names = [...facts.admission.keys()]
      const silent = names.filter(name => {
        const refusal = facts.admission.get(name)
        return refusal !== undefined && !refuses.test(refusal)
      })
      const found = names.flatMap((name): Result[] => {
        const refusal = facts.admission.get(name)
        if (refusal === undefined || silent.includes(name)) return []
        const component = chosen(facts).find(one => one.namespace === name)
        return [
          problem({
            what: `the namespace ${name} with the Pod Security level privileged is refused: ${refusal}`,
            why: `${component?.name ?? name} needs the node's network or disk`,
            fix: `exempt the namespace ${name} in the policy that is named above`,
            link: 'https://kubernetes.io/docs/concepts/security/pod-security-standards/',
          }),
        ]
      })
      // A webhook that does not answer has a check of its own; a namespace that is ending too; missing rights too.
      const words = facts.admission.get(silent[0] ?? '') ?? ''
      const webhook = /failed calling webhook "([^"]+)"/.exec(words)?.[1]
      if (silent.length)
        found.push(
          unknown(`whether ${few(silent)} are let in: ${webhook ? `the webhook ${webhook} does not answer` : words}`),
        )
      if (found.length) return found
      return well(names.length ? `privileged is let in for ${few(names)}` : 'no chosen step needs an exemption')
    },
  },
  {
    id: 'cluster.clock',
    title: 'Clocks',
    reads: ['Lease', 'Node'],
    look({ ahead, now, objects }) {
      if ('unknown' in ahead) return unknown(`the API server's clock: ${ahead.unknown}`)
      const found: Result[] = []
      const say = (whose: string, off: number) => {
        // Whole seconds and the way there: the first second means nothing.
        if (Math.abs(off) < skewNoticed) return
        const finding = {
          what: `the clock of ${whose} is ${duration(Math.abs(off))} ${off > 0 ? 'ahead' : 'behind'}`,
          why: 'a certificate that is issued now is not valid yet, or no longer, where the clock is wrong',
          fix: syncClocks,
        }
        found.push(Math.abs(off) >= skewRefused ? problem(finding) : warning(finding))
      }
      say('the API server, against this machine,', ahead.value)
      const server = now + ahead.value
      for (const lease of objects.of('Lease')) {
        const { name } = lease.metadata
        const renewed = timeAt(lease.spec, 'renewTime')
        const node = objects.find('Node', undefined, name)
        if (renewed === undefined || !node) continue
        // A node that reports is at most one lease behind; later than now is its clock.
        const late = server - renewed - (numberAt(lease.spec, 'leaseDurationSeconds') || 40) * 1000
        if (renewed > server) say(`the node ${name}, against the API server,`, renewed - server)
        else if (late > 0 && condition(node, 'Ready')?.status === 'True') say(`the node ${name}`, -late)
      }
      const apart = Math.abs(ahead.value) < 1500 ? 'within a second' : duration(Math.abs(ahead.value))
      return found.length ? found : well(`this machine, the API server and the nodes are ${apart} of each other`)
    },
  },
]
