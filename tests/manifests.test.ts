import { together } from './together.ts'

await together('manifests')
