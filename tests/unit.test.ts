import { together, waits } from './together.ts'

await together('unit', file => !waits(file))
