import { together, waits } from './together.ts'

await together('manifests', file => !waits(file))
