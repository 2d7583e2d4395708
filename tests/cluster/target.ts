// The cluster that the suite takes: the one that CLUSTER names, else a node of its own from the lab beside the checkout.
import { execFile, execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { root } from '../../scripts/lib/root.ts'

export interface Target {
  kind: 'node' | 'k3s'
  kubeconfig: string
  context: string
  pool: string
  /** The fixed addresses are reached over a network in which ARP can be watched. */
  arp: boolean
  /** Where the API server writes down every request, if we may read it, and who is us in there. */
  audit?: { log: string; user: string }
  /** What a pod tries connections with: `connect` to $t, an address with its port; `lookup` of a name. */
  probe: { image: string; connect: string; lookup: string }
  /** The node's table of connections, if it can be read. */
  connections?: () => Promise<string>
  /** The directory of kubectl and helm, before everything else on PATH. */
  bin?: string
  charts: 'real' | 'auto'
  end(): void
}

const lab = join(root, '../shared/node-lab')
const labFiles =
  process.env.NODE_LAB_DIR ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'homelab-node-lab')

/** @returns the cluster, or why there is none: a sentence with the way to have one */
export function findTarget(): Target | string {
  const { CLUSTER, CONTEXT, POOL } = process.env
  if (CLUSTER) {
    if (!CONTEXT || !POOL) return 'CLUSTER=KUBECONFIG needs CONTEXT=NAME and POOL=FIRST-LAST beside it'
    return {
      ...{ kind: 'k3s', kubeconfig: CLUSTER, context: CONTEXT, pool: POOL, arp: false, charts: 'real' },
      probe: {
        image: 'docker.io/library/busybox:1.37.0',
        connect: 'busybox nc -w 3 ${t%:*} ${t#*:} < /dev/null',
        lookup: 'busybox nslookup',
      },
      end: () => {},
    }
  }
  const cannot = whyNoLab()
  return cannot ?? startLab()
}

// What the lab asks for, by the file that shows it: its own list of packages, and what building takes.
const needed: [file: string, debianPackage: string][] = [
  ['/usr/sbin/runc', 'runc'],
  ['/usr/lib/cni/ptp', 'containernetworking-plugins'],
  ['/bin/busybox', 'busybox-static'],
  ['/usr/sbin/iptables', 'iptables'],
  ['/usr/sbin/nft', 'nftables'],
  ['/usr/sbin/ipset', 'ipset'],
  ['/usr/bin/git', 'git'],
  ['/usr/bin/gpg', 'gnupg'],
  ['/usr/bin/redis-check-rdb', 'redis-tools'],
  ['/usr/bin/gcc', 'gcc'],
  ['/usr/bin/python3', 'python3'],
  ['/usr/bin/openssl', 'openssl'],
]

function whyNoLab(): string | undefined {
  const other = 'another cluster serves too: make test-cluster CLUSTER=KUBECONFIG CONTEXT=NAME POOL=FIRST-LAST'
  if (!existsSync(lab)) return `no node lab stands beside the checkout; ${other}`
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return `the node lab needs Linux and root; ${other}`
  const absent = () => needed.filter(([file]) => !existsSync(file)).map(([, name]) => name)
  // Nobody's machine gets packages unasked; the one that CI throws away afterwards does.
  if (absent().length && process.env.CI) {
    spawnSync('apt-get', ['update', '-q'], { stdio: 'ignore' })
    spawnSync('apt-get', ['install', '-qy', '--no-install-recommends', ...absent()], { stdio: 'ignore' })
  }
  const missing = absent()
  if (missing.length) return `the node lab needs packages: apt-get install -y ${missing.join(' ')}; ${other}`
  if (!existsSync('/sys/fs/cgroup/memory')) return `the node lab needs cgroup v1 controllers; ${other}`
  // A container may look like root and still not make a network.
  const tried = spawnSync('unshare', ['--net', '--mount', 'true'])
  return tried.status === 0 ? undefined : `the node lab may not make namespaces here; ${other}`
}

function startLab(): Target {
  const run = (script: string, ...args: string[]) =>
    execFileSync(join(lab, script), args, {
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, ARGOCD: '1', TTL: '1800' },
    })
  run('down.sh') // what a killed run left
  if (!built()) run('build.sh')
  const images = join(mkdtempSync(join(tmpdir(), 'homelab-lab-')), 'images.txt')
  writeFileSync(images, 'busybox docker.io/library/busybox:1.37.0\n')
  run('up.sh', images)
  const kubeconfig = join(labFiles, 'run/admin.kubeconfig')
  chmodSync(kubeconfig, 0o600) // the scripts refuse one that others can read
  return {
    kind: 'node',
    kubeconfig,
    context: 'lab',
    pool: '10.77.0.200-10.77.0.250',
    arp: true,
    audit: { log: join(labFiles, 'run/audit.log'), user: 'lab-admin' },
    // Debian's busybox is linked so that it resolves nothing without files that an image lacks.
    probe: { image: 'lab.local/hello:1', connect: '/hello get http://$t/', lookup: '/hello lookup' },
    connections: async () =>
      (await promisify(execFile)(join(lab, 'sh.sh'), ['cat', '/proc/net/nf_conntrack'], { maxBuffer: 2 ** 26 })).stdout,
    bin: join(labFiles, 'bin'),
    charts: 'auto',
    end: () => run('down.sh'),
  }
}

/** Whether the programs are there and no older than what they are built from. */
function built(): boolean {
  const image = join(labFiles, 'images/all.tar')
  if (!existsSync(image) || !existsSync(join(labFiles, 'bin/argocd'))) return false
  const sources = readdirSync(lab, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
  return sources.every(entry => statSync(join(entry.parentPath, entry.name)).mtimeMs < statSync(image).mtimeMs)
}
