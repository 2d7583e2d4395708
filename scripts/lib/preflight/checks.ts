// All checks, in the order in which they are shown.
import { backups } from './backups.ts'
import { capacity } from './capacity.ts'
import type { Check } from './check.ts'
import { distribution } from './distribution.ts'
import { identity } from './identity.ts'
import { keyBundle } from './key-bundle.ts'
import { leftovers } from './leftovers.ts'
import { network } from './network.ts'
import { nodes } from './nodes.ts'
import { owners } from './owners.ts'
import { networkPolicies } from './policies.ts'
import { addressPool } from './pool.ts'
import { quotas } from './quotas.ts'
import { repository } from './repository.ts'
import { siteFileAgrees } from './site-file.ts'
import { storage } from './storage.ts'
import { tools } from './tools.ts'
import { versions } from './versions.ts'

export const checks: readonly Check[] = [
  ...tools,
  ...repository,
  siteFileAgrees,
  ...identity,
  keyBundle,
  ...nodes,
  capacity,
  quotas,
  ...versions,
  ...addressPool,
  ...distribution,
  ...network,
  networkPolicies,
  ...storage,
  ...backups,
  ...owners,
  ...leftovers,
]
