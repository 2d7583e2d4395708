#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/lib/launch" "$0" "$@"'
// make add-app: an application of your own, from an image, as one commit.
import { command, common } from './lib/command.ts'

const text = (value: string, help: string) => ({ type: 'string', value, help }) as const

await command(
  {
    line: 'scripts/add-app.ts --name NAME --image IMAGE --port PORT [options]',
    about:
      'Writes an application of your own: its manifests, its Application, its namespace with its limits, its host in\n' +
      'every environment; shows the files, asks, and makes one commit. It is published as NAME.DOMAIN, and the probe of\n' +
      'every published host finds it by itself. Nothing is written unless all of it builds.',
    options: {
      name: text('NAME', 'of the application, its namespace and its host'),
      image: text('IMAGE', 'with a version: ghcr.io/owner/notes:1.4.2'),
      port: text('PORT', 'on which the program in the image listens'),
      pvc: text('SIZE', 'a volume for its data: 1Gi'),
      mount: text('PATH', 'where the program sees the volume (default: /data)'),
      memory: text('SIZE', 'the most that it may take (default: 256Mi)'),
      user: text('NUMBER', 'as whom it runs (default: 1000; 0 for an image that insists on root)'),
      yes: { type: 'boolean', help: 'write and commit without asking' },
      plan: { type: 'boolean', help: 'show the files, write nothing' },
      ...common,
    },
  },
  async values => {
    const [{ commitFiles, refuseDirty }, { newApplication, places }, { exit }, { print }] = await Promise.all([
      import('./lib/gitops/change.ts'),
      import('./lib/gitops/add-application.ts'),
      import('./lib/errors.ts'),
      import('./lib/output.ts'),
    ])
    const { wanted, files } = await newApplication(values)
    if (!values.plan) await refuseDirty()
    const committed = await commitFiles(files, `${wanted.name}: a new application`, values)
    const step = files.has(places.namespaces) || files.has(places.project)
    const next = ['git push', ...(step ? ['make install STEP=07'] : []), `make sync`]
    if (values.json)
      print(JSON.stringify({ event: 'summary', committed, files: [...files.keys()], next, code: exit.done }))
    else if (committed) print(`\nCommitted. Next: ${next.join(' && ')}${step ? '\n(step 07 makes its namespace)' : ''}`)
    else print('\nA plan: nothing was written.')
    return exit.done
  },
)
