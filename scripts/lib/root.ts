import { join } from 'node:path'

/** The repository's top folder. Everything that is read from the repository is found from here, so the working directory never matters. */
export const root = join(import.meta.dirname, '../..')
