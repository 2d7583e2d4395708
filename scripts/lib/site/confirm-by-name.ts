// The last question before something that is not undone by running it again.
import { createInterface } from 'node:readline/promises'
import type { Cluster } from '../cluster.ts'
import type { Values } from '../command.ts'
import { exit, HomelabError } from '../errors.ts'
import { paint, print } from '../output.ts'
import { describeCluster } from './confirm.ts'
import type { Site } from './site.ts'

/**
 * The cluster's name is typed, not a letter: it is what one should have read. `--confirm NAME` answers it.
 * A sandbox is not asked about.
 * @param words `asker`: who asks, `an uninstall`; `doing`: what is then done, `take this away`
 * @throws HomelabError (exit 2) when it is not confirmed
 */
export async function confirmByName(
  cluster: Cluster,
  site: Site,
  values: Values,
  { asker, doing }: { asker: string; doing: string },
): Promise<void> {
  if (site.sandbox) return
  const [nodes, system] = await Promise.all([cluster.list('nodes'), cluster.find('namespace/kube-system')])
  const about = describeCluster(site.context, nodes, system?.metadata.uid ?? '')
  const refused = (what: string) =>
    new HomelabError({
      what,
      why: `the cluster is ${about}`,
      fix: `the same command with --confirm ${site.context}`,
      code: exit.usage,
    })
  if (values.confirm !== undefined) {
    if (values.confirm === site.context) return
    throw refused(`--confirm ${values.confirm} is not the name of this cluster: nothing was touched`)
  }
  if (!process.stdin.isTTY || values.json) throw refused(`${asker} asks first, and nobody is here to answer`)
  print(`\nThe cluster is ${paint('bold', about)}`)
  const terminal = createInterface({ input: process.stdin, output: process.stdout })
  const answer = await terminal.question(`Type its name (${site.context}) to ${doing}: `)
  terminal.close()
  if (answer.trim() !== site.context) throw refused('not confirmed: nothing was touched')
}
