#!/usr/bin/env -S sh -c 'exec "$(dirname "$(readlink -f "$0")")/lib/launch" "$0" "$@"'
// make validate-yaml: every YAML file of the repository, read as strictly as the steps read theirs. Nothing is asked of a cluster.
import { command, common } from './lib/command.ts'

await command(
  {
    line: 'scripts/validate-yaml.ts [options]',
    about:
      'Reads every YAML file that Git knows: keys twice, tabs, bad indentation, unknown names in ${…}, kustomizations that\n' +
      'name a missing file. Each problem with file, line and key. Exit code 2 if there is one.',
    options: common,
  },
  async values => {
    const [{ execFileSync }, { yamlProblems }, { throwProblems }, { print }, { root }, { loadSite, vars }] =
      await Promise.all([
        import('node:child_process'),
        import('./lib/yaml/check.ts'),
        import('./lib/errors.ts'),
        import('./lib/output.ts'),
        import('./lib/root.ts'),
        import('./lib/site/site.ts'),
      ])
    // Which names a file may use is the same for every site: the one of rehearsals has them.
    const overrides = { kubeconfig: '/dev/null', context: 'none' }
    const { site } = await loadSite({ root, file: 'infrastructure/sandbox/site.env', overrides, processEnv: {} })
    const known = execFileSync('git', ['-C', root, 'ls-files', '--', '*.yaml', '*.yml'], { encoding: 'utf8' })
    // Templates of Helm are YAML only once they are filled; the wrong ones among the fixtures are wrong on purpose.
    const notYet = /^infrastructure\/sandbox\/(charts\/[^/]+\/templates|stages)\/|^tests\/fixtures\/invalid\//
    const files = known.split('\n').filter(file => file && !notYet.test(file))
    throwProblems(yamlProblems(root, vars(site), files))
    print(
      values.json ? JSON.stringify({ event: 'summary', files: files.length, code: 0 }) : `✓ ${files.length} YAML files`,
    )
    return 0
  },
)
