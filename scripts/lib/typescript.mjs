// Loaded before every script (--import): from 22.18 on Node runs TypeScript by itself, before that tsx makes it.
import module from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'

if (process.features.typescript)
  // What it has compiled it need not compile again; where nothing can be kept, it does.
  module.enableCompileCache(join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'homelab/compiled'))
else await import('tsx')
