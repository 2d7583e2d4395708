// The text files beside the archives: pure, and the same text for the same mirror, so that a second run changes nothing.
import { stringify } from 'yaml'
import type { AboutChart } from '../chart-file.ts'

export interface Archive {
  /** `traefik-41.3.0.tgz` */
  file: string
  /** sha256, hexadecimal. */
  digest: string
  about: AboutChart
}

/** The index of a Helm repository (https://helm.sh/docs/topics/chart_repository/#the-index-file), without its times. */
export function indexText(archives: readonly Archive[]): string {
  const entries: Record<string, unknown[]> = {}
  for (const { file, digest, about } of archives) {
    entries[about.name] ??= []
    entries[about.name]?.push({ ...about, digest, urls: [file] })
  }
  return stringify({ apiVersion: 'v1', entries, generated: '1970-01-01T00:00:00Z' }, { lineWidth: 0 })
}

/** As `sha256sum -c` reads it. */
export function sumsText(digests: Readonly<Record<string, string>>): string {
  return Object.entries(digests)
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([file, digest]) => `${digest}  ${file}\n`)
    .join('')
}

export function readSums(text: string): Record<string, string> {
  return Object.fromEntries(
    [...text.matchAll(/^([0-9a-f]{64}) [ *](.+)$/gm)].map(([, digest = '', file = '']) => [file, digest]),
  )
}

export function readmeText(dir: string): string {
  return `# A mirror of the platform's charts

Filled by \`make mirror\` of the homelab repository, for days without internet. Run it again after each change of
\`infrastructure/charts.yaml\`; it verifies what is here and fetches only what is missing. \`sha256sum -c SHA256SUMS\`
verifies it without the repository.

## Installing from it

In \`.env\` of the repository, one of the two:

\`\`\`
CHARTS_MIRROR=${dir}
CHARTS_MIRROR=http://nas.lab.home.arpa/homelab-mirror
\`\`\`

The second where a web server hands out this folder (\`python3 -m http.server --directory ${dir} 8080\` is one). Helm
reads it too: \`helm repo add homelab http://…\`. Whatever the mirror gives is compared with the digests in
\`infrastructure/charts.lock.yaml\`, and refused if it differs.

## Images

\`images.txt\` lists every container image that the charts and manifests name. They are not copied here: they are
gigabytes, one for each processor architecture, and the tools for it (skopeo, crane, the node's own) do it better.
Nodes keep what they have pulled, so a rebuild on the same disks needs none of them; new disks need one of these:

\`\`\`sh
# Into a registry in the house, with its address in /etc/rancher/k3s/registries.yaml (RKE2: /etc/rancher/rke2/)
while read -r image; do skopeo copy --all "docker://$image" "docker://registry.lab.home.arpa/\${image#*/}"; done < images.txt

# Into one file, for the folder from which k3s and RKE2 load images when they start
crane pull --platform linux/amd64 $(cat images.txt) platform-images.tar
sudo install -D platform-images.tar /var/lib/rancher/k3s/agent/images/platform-images.tar    # k3s
sudo install -D platform-images.tar /var/lib/rancher/rke2/agent/images/platform-images.tar   # RKE2
\`\`\`

Not in the list is what a program starts by itself without a chart saying so. Rancher does, and publishes its list as
\`rancher-images.txt\` with each release (https://github.com/rancher/rancher/releases).
`
}
