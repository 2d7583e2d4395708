// What a rehearsal changes in the owner's Git, and nothing else: where charts and repository are to be had. Pure.
import { sourcesOf } from '../../gitops/application.ts'
import type { K8sObject } from '../../k8s.ts'

export interface WantedChart {
  name: string
  version: string
  /** The address of its repository. */
  repository: string
}

/** The charts that these Applications ask for, each once. */
export function wantedCharts(applications: readonly K8sObject[]): WantedChart[] {
  const found = applications.flatMap(sourcesOf).flatMap(({ chart, repository, revision }): WantedChart[] => {
    return chart ? [{ name: chart, repository, version: revision }] : []
  })
  return [...new Map(found.map(one => [`${one.repository} ${one.name} ${one.version}`, one])).values()]
}

/** Where a repository's charts lie below the chart server: `https://a.github.io/charts/` → `a.github.io/charts`. */
export function folderOf(repository: string): string {
  return repository.replace(/^\w+:\/\//, '').replace(/\/+$/, '')
}

/** New addresses for old ones. */
export type Addresses = Readonly<Record<string, string>>

/** The text of a file with each `repoURL` that is in the table replaced; all other bytes stay. */
export function withAddresses(text: string, addresses: Addresses): string {
  return text.replace(/^([ \t-]*\{?[ \t]*repoURL:[ \t]*)(['"]?)([^\s'",#]+)\2/gm, (line, key, quote, address) => {
    const other = addresses[address]
    return other === undefined ? line : `${key}${quote}${other}${quote}`
  })
}
