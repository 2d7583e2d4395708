#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/lib/launch" "$0" "$@"'
// make mirror: a folder from which every pinned chart installs without internet, and the list of the images they need.
import { command, common } from './lib/command.ts'

await command(
  {
    line: 'scripts/mirror.ts [options]',
    about:
      'Fills a folder with every pinned chart, an index for Helm, checksums, and the list of container images.\n' +
      'What is there is verified; only what is missing or damaged is fetched. Needs helm, no cluster.\n' +
      'The folder is ~/.local/share/homelab/mirror unless you say another: not in the cache, which may be deleted.',
    options: {
      dir: { type: 'string', value: 'DIR', help: 'the folder' },
      prune: { type: 'boolean', help: 'remove archives of versions that are not pinned any more' },
      ...common,
    },
  },
  async values => (await import('./lib/mirror/command.ts')).mirror(values),
)
