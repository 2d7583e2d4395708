// What a query names, and what is wrong with it: PromQL and LogQL by the grammars of their own editors, Flux by its shape.
import { parser as logql } from '@grafana/lezer-logql'
import type { SyntaxNode } from '@lezer/common'
import { parser as promql } from '@prometheus-io/lezer-promql'

/** A selector: which metric, and which labels stand in its braces. */
export interface Selector {
  metric: string
  labels: string[]
}

export interface Facts {
  flaws: string[]
  selectors: Selector[]
  /** Labels that are grouped or matched by, or put on by group_left. */
  grouped: string[]
  /** Labels that label_replace and label_join make. */
  made: string[]
  /** Metrics that an operator matches by all of their labels: what one alone has keeps the two apart. */
  paired: [string, string][]
}

/** Grafana fills these in; any value of the right kind parses alike. */
export const filledIn = (query: string, variables: Readonly<Record<string, string>> = {}): string =>
  query
    .replaceAll(/\$__(rate_interval|interval|range|auto)\b/g, '5m')
    .replaceAll(/\$\{?(\w+)\}?/g, (_, name) => variables[name] ?? 'x')

// Functions of a range; everything else takes an instant vector or a number.
const ofRange =
  /^(rate|irate|increase|delta|idelta|deriv|predict_linear|double_exponential_smoothing|changes|resets|\w+_over_time)$/

/** What a PromQL expression names. Its flaws are those of grammar, and ranges where none belongs or one is missing. */
export function promqlFacts(query: string): Facts {
  const text = filledIn(query)
  const facts: Facts = { flaws: [], selectors: [], grouped: [], made: [], paired: [] }
  const of = (node: SyntaxNode) => text.slice(node.from, node.to)
  promql.parse(text).iterate({
    enter({ node, type }) {
      if (type.isError) facts.flaws.push(`does not parse at “${text.slice(Math.max(0, node.from - 20), node.to + 10)}”`)
      if (type.name === 'VectorSelector') facts.selectors.push(selector(node, of))
      if (type.name === 'GroupingLabels') facts.grouped.push(...node.getChildren('LabelName').map(of))
      if (type.name === 'BinaryExpr' && !node.getChild('MatchingModifierClause') && !node.getChild('Or')) {
        const [left, right] = [node.firstChild, node.lastChild].map(side => (side ? wholeMetric(side, of) : undefined))
        if (left && right) facts.paired.push([left, right])
      }
      if (type.name === 'MatrixSelector' || type.name === 'SubqueryExpr') facts.flaws.push(...strayRange(node, of))
      if (type.name === 'FunctionCall') facts.flaws.push(...missingRange(node, of))
      if (type.name === 'FunctionCall' && /^label_(replace|join)\b/.test(of(node))) {
        const made = node.getChild('FunctionCallBody')?.getChild('StringLiteral')
        if (made) facts.made.push(of(made).slice(1, -1))
      }
    },
  })
  return facts
}

function selector(node: SyntaxNode, of: (node: SyntaxNode) => string): Selector {
  const matchers = node.getChild('LabelMatchers')
  const labels = [...(matchers?.getChildren('UnquotedLabelMatcher') ?? [])].map(one => {
    const name = one.getChild('LabelName')
    return name ? of(name) : ''
  })
  const name = node.getChild('Identifier')
  return { metric: name ? of(name) : '', labels }
}

/** The one metric of an expression that has all of its labels. */
function wholeMetric(node: SyntaxNode, of: (node: SyntaxNode) => string): string | undefined {
  const metrics: string[] = []
  let changed = false
  node.cursor().iterate(({ name, node: inner }) => {
    if (name === 'VectorSelector') metrics.push(selector(inner, of).metric)
    if (/^(AggregateExpr|MatchingModifierClause|Or)$/.test(name) || /^label_|^absent|^scalar|^vector/.test(of(inner)))
      changed = true
  })
  return metrics.length === 1 && !changed ? metrics[0] : undefined
}

/** Of a call, what is called. */
const nameOf = (call: string): string => /^\w*/.exec(call)?.[0] ?? ''

function strayRange(node: SyntaxNode, of: (node: SyntaxNode) => string): string[] {
  let parent = node.parent
  while (parent && /^(OffsetExpr|StepInvariantExpr|ParenExpr|FunctionCallBody)$/.test(parent.name))
    parent = parent.parent
  const name = parent?.name === 'FunctionCall' ? nameOf(of(parent)) : ''
  return ofRange.test(name) ? [] : [`“${of(node)}” is a range, and ${name || 'nothing here'} takes none`]
}

function missingRange(node: SyntaxNode, of: (node: SyntaxNode) => string): string[] {
  const name = nameOf(of(node))
  if (!ofRange.test(name)) return []
  const inside = node.getChild('FunctionCallBody')
  const ranged = (one: SyntaxNode | null | undefined): boolean =>
    Boolean(
      one && (one.getChild('MatrixSelector') || one.getChild('SubqueryExpr') || ranged(one.getChild('OffsetExpr'))),
    )
  return ranged(inside) ? [] : [`${name} takes a range: “${of(node)}”`]
}

/**
 * What a LogQL query selects by.
 * @param variables what Grafana puts in the place of `$name` when all is chosen
 */
export function logqlFacts(query: string, variables: Readonly<Record<string, string>> = {}): Facts {
  const text = filledIn(query, variables)
  const facts: Facts = { flaws: [], selectors: [], grouped: [], made: [], paired: [] }
  const of = (node: SyntaxNode) => text.slice(node.from, node.to)
  logql.parse(text).iterate({
    enter({ node, type }) {
      if (type.isError) facts.flaws.push(`does not parse at “${text.slice(Math.max(0, node.from - 20), node.to + 10)}”`)
      if (type.name === 'Selector') {
        const matchers = [...of(node).matchAll(/(\w+)\s*(=~|!~|!=|=)\s*["`]([^"`]*)["`]/g)]
        facts.selectors.push({ metric: '', labels: matchers.map(([, name = '']) => name) })
        // Loki wants one matcher that the absence of its label does not satisfy.
        if (matchers.every(([, , how, value = '']) => byNothing(how, value)))
          facts.flaws.push(`selects everything: ${of(node)}`)
      }
      if (type.name === 'Grouping') facts.grouped.push(...(of(node).match(/\w+/g) ?? []).slice(1))
    },
  })
  return facts
}

/** Whether an absent label satisfies a matcher. */
function byNothing(how: string | undefined, value: string): boolean {
  const matches = how?.endsWith('~') ? new RegExp(`^(?:${value})$`).test('') : value === ''
  return how?.startsWith('!') ? !matches : matches
}

const fluxStages = new Set(
  'range filter aggregateWindow group keep drop map mean max min last sum sort limit yield pivot rename derivative'.split(
    ' ',
  ),
)

/** The shape of a Flux query. Not its grammar: the only parser of that is a Rust program. */
export function fluxFlaws(query: string): string[] {
  const flaws: string[] = []
  const bare = query.replaceAll(/"(?:[^"\\]|\\.)*"/g, '""')
  const depth = { '(': 0, '{': 0, '[': 0 }
  const closes: Record<string, keyof typeof depth> = { ')': '(', '}': '{', ']': '[' }
  for (const letter of bare) {
    if (letter in depth) depth[letter as keyof typeof depth]++
    const opened = closes[letter]
    if (opened && --depth[opened] < 0) flaws.push(`“${letter}” closes nothing`)
  }
  for (const [letter, open] of Object.entries(depth)) if (open > 0) flaws.push(`“${letter}” is never closed`)
  if ((bare.match(/"/g)?.length ?? 0) % 2) flaws.push('a string is never closed')
  const stages = bare.split('|>').map(stage => stage.trim())
  if (!/^(\w+ ?= ?)?from\(bucket: ?""\)$/.test(stages[0] ?? '')) flaws.push('does not begin with from(bucket: "…")')
  if (!stages[1]?.startsWith('range(')) flaws.push('has no range(start: v.timeRangeStart, …) after it')
  for (const stage of stages.slice(1)) {
    const name = /^(\w+)\(/.exec(stage)?.[1]
    if (!name || !fluxStages.has(name)) flaws.push(`has no known function at “${stage.slice(0, 30)}”`)
  }
  return flaws
}
