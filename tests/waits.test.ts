import { together, waits } from './together.ts'

await together('unit', waits)
await together('manifests', waits)
