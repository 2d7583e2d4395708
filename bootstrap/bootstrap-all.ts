#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/../scripts/lib/launch" "$0" "$@"'
// The whole platform layer: the seven steps, side by side, each waiting only for what its next line needs.
import { command } from '../scripts/lib/command.ts'
import { isMain, runOptions, runOrUninstall } from '../scripts/lib/step.ts'

if (isMain(import.meta)) {
  await command(
    {
      line: './bootstrap/bootstrap-all.ts [options]',
      about: 'Brings the platform layer up, or back to what this repository says.',
      options: {
        only: { type: 'string', value: 'NN[,NN]', help: 'these steps only' },
        from: { type: 'string', value: 'NN', help: 'this step and the ones after it' },
        skip: { type: 'string', value: 'NN[,NN]', help: 'all but these' },
        sequential: { type: 'boolean', help: 'one step after the other' },
        ...runOptions,
      },
    },
    async values => {
      const [{ choose }, steps] = await Promise.all([import('../scripts/lib/run.ts'), allSteps()])
      return runOrUninstall(choose(steps, values), values)
    },
  )
}

/** The seven steps in their order. */
export async function allSteps() {
  const modules = await Promise.all([
    import('./01-storage-class.ts'),
    import('./02-metallb.ts'),
    import('./03-adguard.ts'),
    import('./04-traefik.ts'),
    import('./05-cert-manager.ts'),
    import('./06-rancher.ts'),
    import('./07-argocd.ts'),
  ])
  return modules.map(module => module.default)
}
