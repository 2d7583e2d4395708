// How a key of .env is declared: what people read about it, and how its text becomes a value.
import * as v from 'valibot'
import { type Flaw, isFlaw } from './network.ts'

export type Group =
  | 'required'
  | 'cluster'
  | 'network'
  | 'certificates'
  | 'platform'
  | 'git'
  | 'backups'
  | 'proxmox'
  | 'monitoring'

/** The groups in the order in which people read them. */
export const groups: Record<Group, { title: string; about: string }> = {
  required: { title: 'To fill in', about: 'the three facts that nobody can guess.' },
  cluster: { title: 'Cluster', about: 'how the scripts reach it.' },
  network: { title: 'Network', about: 'the addresses that the platform takes or avoids.' },
  certificates: {
    title: 'Certificates',
    about: 'without these the lab signs its own (make trust-ca). On the way to Let’s Encrypt, staging comes first.',
  },
  platform: { title: 'Platform', about: 'what is installed, and where its data lies.' },
  git: { title: 'Git', about: 'where Argo CD reads the applications from.' },
  backups: {
    title: 'Backups',
    about: 'an S3 server off the cluster, such as the NAS; without one there are no backups.',
  },
  proxmox: {
    title: 'Proxmox VE',
    about: 'for make proxmox, which lets it send its figures to InfluxDB; infrastructure/docs/PROXMOX.md.',
  },
  monitoring: {
    title: 'Monitoring',
    about: 'where alerts go (make test-alert tries it), and what is watched outside the cluster.',
  },
}

export interface About {
  group: Group
  /** One sentence, without final stop. */
  about: string
  example: string
  /** Taken when the key is absent. */
  default?: string
  /** The default in words, where it is worked out from something else. */
  otherwise?: string
  secret?: true
}

// valibot's issues carry one text; a problem has two parts, and neither contains this.
export const separator = '\n'

/** A key that must be there. */
export function required<T>(about: About, toValue: (text: string) => T | Flaw) {
  return v.pipe(
    v.string(),
    v.rawTransform<string, T>(({ dataset, addIssue, NEVER }) => {
      const value = toValue(dataset.value)
      if (!isFlaw(value)) return value
      addIssue({ message: value.problem + separator + value.fix })
      return NEVER
    }),
    v.metadata({ ...about }),
  )
}

/** A key that may be left out. */
export function optional<T>(about: About, toValue: (text: string) => T | Flaw) {
  return v.optional(required(about, toValue))
}

/** A key with a default of its own. */
export function preset<T>(about: About & { default: string }, toValue: (text: string) => T | Flaw) {
  return v.optional(required(about, toValue), about.default)
}
