// The whole matrix: what is tried, and what is not, with the reason.
import type { Excluded, Row } from './row.ts'
import { api } from './rows/api.ts'
import { cluster } from './rows/cluster.ts'
import { helm } from './rows/helm.ts'
import { kills } from './rows/kills.ts'
import { site } from './rows/site.ts'
import { webhooks } from './rows/webhooks.ts'

export const rows: readonly Row[] = [...kills, ...api, ...webhooks, ...helm, ...cluster, ...site]

/** No fault at all, for `make faults ROWS=R2 REPEAT=50`: what holds once must hold always. */
export const secondRun: Row = {
  id: 'R2',
  on: 'built',
  fault: 'the same command again on a platform that is built',
  expect: '0 mutating requests',
  async run(trial) {
    const ended = await trial.run()
    trial.fired(`${ended.summary?.changes} changes`)
    trial.untouched(ended.writes)
    await trial.converged(ended)
  },
}

// What §3 of the catalogue has besides.

export const excluded: readonly Excluded[] = [
  {
    id: 'N1-lan',
    fault: 'the pool overlaps DHCP, duplicate addresses',
    why: 'it needs a LAN; the doctor says that it cannot see it',
  },
  {
    id: 'N4',
    fault: 'default-deny policies everywhere',
    why: 'fake pods send no packets: make test-cluster shows it on a real node',
  },
  {
    id: 'G1',
    fault: 'Git repository, branch or path missing',
    why: 'the doctor asks the repository; of an application it is in tests/e2e/gitops.test.ts, with a real Argo CD',
  },
  {
    id: 'G2',
    fault: 'a child’s CRD is missing at sync, order of waves',
    why: 'tests/e2e/gitops.test.ts has it, with a real Argo CD',
  },
  {
    id: 'G3',
    fault: 'root application or the namespace argocd deleted',
    why: 'the root application is in tests/e2e/gitops.test.ts; the namespace is not tried yet',
  },
  {
    id: 'B1',
    fault: 'etcd wiped, rebuilt from Git and the keys',
    why: 'tests/e2e/sealed-secrets.test.ts has the keys; the whole is not tried yet',
  },
  { id: 'B3', fault: 'node deleted or back under the same name', why: 'it needs volumes with data on real nodes' },
  { id: 'B4', fault: 'backup location away, backup stale', why: 'tests/e2e/backup.test.ts has it, with a real Velero' },
  {
    id: 'X1-image',
    fault: 'image missing, registry answers 429',
    why: 'fake kubelets pull no images; make test-cluster and the weekly run on k3s do',
  },
]
