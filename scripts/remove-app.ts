#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/lib/launch" "$0" "$@"'
// make remove-app: an application leaves, first from Git and then from the cluster, and only when it is confirmed.
import { command, common } from './lib/command.ts'

await command(
  {
    line: 'scripts/remove-app.ts --name NAME [options]',
    about:
      'Takes an application away, in two calls. The first removes its files, as one commit that you push.\n' +
      'The second, when Argo CD has seen that, shows what would be deleted, asks for the name of the cluster, and\n' +
      'deletes it. Its volumes and its namespace stay; the command that deletes them is told.',
    options: {
      name: { type: 'string', value: 'NAME', help: 'the application' },
      yes: { type: 'boolean', help: 'commit the first part without asking' },
      confirm: { type: 'string', value: 'NAME', help: 'the answer to the question of the second: the cluster’s name' },
      plan: { type: 'boolean', help: 'show what would go, change nothing' },
      sandbox: { type: 'boolean', help: 'the sandbox instead of the cluster in .env' },
      ...common,
    },
  },
  async values => {
    const [{ commitFiles, refuseDirty }, { withoutApplication }, { exit, HomelabError }, { print }] = await Promise.all(
      [
        import('./lib/gitops/change.ts'),
        import('./lib/gitops/remove-application.ts'),
        import('./lib/errors.ts'),
        import('./lib/output.ts'),
      ],
    )
    const { name } = values
    const tell = (event: Record<string, unknown>, text: string) =>
      print(values.json ? JSON.stringify({ event: 'summary', application: name, ...event, code: exit.done }) : text)
    if (typeof name !== 'string' || name === '')
      throw new HomelabError({ what: 'which application?', fix: 'make remove-app NAME=notes', code: exit.usage })
    // A rehearsal follows a repository of its own, whatever this checkout has.
    const files = values.sandbox ? undefined : await withoutApplication(name)
    if (files) {
      if (!values.plan) await refuseDirty()
      const committed = await commitFiles(files, `${name}: the application leaves`, values)
      const next = `git push && make remove-app NAME=${name}`
      tell(
        { part: 'git', committed, files: [...files.keys()], next },
        committed
          ? `\nCommitted; in the cluster nothing has changed yet. Next: ${next}`
          : '\nA plan: nothing was written.',
      )
      return exit.done
    }
    const [{ readOnlySite, pasteable }, { withCluster }, { leave, readLeaving }, { confirmByName }] = await Promise.all(
      [
        import('./lib/site/choose.ts'),
        import('./lib/site/right-cluster.ts'),
        import('./lib/applications/leave.ts'),
        import('./lib/site/confirm-by-name.ts'),
      ],
    )
    const site = await readOnlySite(values)
    return withCluster(site, async cluster => {
      const leaving = await readLeaving(cluster, name)
      if (!leaving) {
        tell({ part: 'cluster', gone: true }, `There is no application ${name}, neither here nor in the cluster.`)
        return exit.done
      }
      const { goes, volumes } = leaving
      const kept = volumes.map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)
      if (!values.json) {
        print(`The application ${name}. It goes with:`)
        for (const one of goes) print(`  - ${one}`)
        if (kept.length) print(`What stays: the namespace, and with their data the volumes ${kept.join(', ')}`)
      }
      if (values.plan) {
        tell({ part: 'cluster', gone: false, goes, kept }, '\nA plan: nothing was deleted.')
        return exit.done
      }
      await confirmByName(cluster, site, values, { asker: 'a removal', doing: `delete the application ${name}` })
      if (!(await leave(cluster, leaving, 120)))
        throw new HomelabError({
          what: `the application ${name} is not gone after 2 minutes`,
          why: 'Argo CD is still deleting what it made',
          fix: pasteable(`kubectl -n argocd describe application ${name}`, site),
        })
      const claim = volumes.map(({ metadata }) => `kubectl -n ${metadata.namespace} delete pvc ${metadata.name}`)
      tell(
        { part: 'cluster', gone: true, goes, kept },
        `\n${name} is gone.${claim.length ? ` Its data too, if you want:\n  ${claim.map(one => pasteable(one, site)).join('\n  ')}` : ''}`,
      )
      return exit.done
    })
  },
)
