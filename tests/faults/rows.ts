// The whole matrix: what is tried, and what is not, with the reason.
import type { Excluded, Row } from './row.ts'
import { api } from './rows/api.ts'
import { kills } from './rows/kills.ts'

export const rows: readonly Row[] = [...kills, ...api]

export const excluded: readonly Excluded[] = []
