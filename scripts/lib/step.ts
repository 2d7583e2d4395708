// What a numbered script is. Light on purpose: `--help` of a step loads this file and nothing heavy.
import { realpathSync } from 'node:fs'
import { basename } from 'node:path'
import { command, common, type Option, type Values } from './command.ts'
import type { Verbs } from './verbs.ts'

export interface Step {
  /** The file's name without `.ts`: `02-metallb`. */
  id: string
  title: string
  /** One sentence for `--help` and the documentation. */
  about: string
  /** The object whose health says that this step did its job, e.g. `clusterissuer/internal-ca`: what `after` looks for when a step runs alone. */
  ready: string
  body: (verbs: Verbs) => Promise<void>
}

export const runOptions = {
  plan: { type: 'boolean', help: 'say what would change, write nothing' },
  sandbox: { type: 'boolean', help: 'work on the sandbox instead of the cluster in .env (make sandbox)' },
  yes: { type: 'boolean', help: 'do not ask: use the cluster that .env or the kubeconfig names' },
  uninstall: { type: 'boolean', help: 'take it off the cluster: shows what goes and what stays, then asks' },
  confirm: { type: 'string', value: 'CLUSTER', help: "with --uninstall: the cluster's name, instead of being asked" },
  'delete-data': { type: 'boolean', help: 'with --uninstall: the volumes and the CA too' },
  'delete-crds': { type: 'boolean', help: 'with --uninstall: kinds that still have objects too' },
  ...common,
} satisfies Record<string, Option>

/** Runs steps, or takes them off again. */
export async function runOrUninstall(steps: readonly Step[], values: Values): Promise<number> {
  if (values.uninstall) return (await import('./uninstall/uninstall.ts')).uninstallSteps(steps, values)
  return (await import('./run.ts')).runSteps(steps, values)
}

/**
 * Declares the step of this file, and runs it when the file itself was started.
 * @param meta `import.meta` of the script
 */
export function step(
  meta: { filename: string },
  { title, about, ready }: Pick<Step, 'title' | 'about' | 'ready'>,
  body: Step['body'],
): Step {
  const self: Step = { id: basename(meta.filename, '.ts'), title, about, ready, body }
  if (isMain(meta)) {
    void command(
      {
        line: `./bootstrap/${self.id}.ts [options]`,
        about: `${self.id.slice(0, 2)} · ${title}: ${about}`,
        options: runOptions,
      },
      values => runOrUninstall([self], values),
    )
  }
  return self
}

/** Whether this module is the script that was started. */
export function isMain(meta: { filename: string }): boolean {
  const started = process.argv[1]
  return started !== undefined && realpathSync(started) === meta.filename
}
