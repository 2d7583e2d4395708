// Alertmanager's configuration, from the ALERT_ keys of .env. Pure; every field: https://prometheus.io/docs/alerting/latest/configuration/
import { stringify } from 'yaml'
import { asHttps } from '../site/git-address.ts'
import type { Alerts, Site } from '../site/site.ts'

/** The alert that `make test-alert` sends. */
export const testAlert = 'HomelabTest'

/** A channel's name is its receiver's, in Alertmanager's metrics and log too. */
export type Channel = Exclude<keyof Alerts, 'deadman'>

/**
 * What a message says, for channels that show a text. The link leads to what to do: a rule of ours names a page of this
 * repository, wherever the owner's fork is; one of the chart a whole address.
 */
const text = (pages: string) =>
  [
    '{{ range .Alerts }}{{ if eq .Status "resolved" }}✓ over: {{ end }}{{ .Annotations.summary }}',
    '{{ .Annotations.description }}',
    `{{ with .Annotations.runbook_url }}{{ if not (match "^https?:" .) }}${pages}{{ end }}{{ . }}{{ end }}`,
    '{{ end }}',
  ].join('\n')
const subject =
  '{{ if eq .Status "resolved" }}✓{{ else }}{{ .CommonLabels.severity }}:{{ end }} {{ .CommonLabels.alertname }} ({{ .Alerts | len }})'

function receivers({ email, ntfy, telegram, webhook }: Alerts, pages: string): Record<Channel, object | undefined> {
  return {
    email: email && {
      email_configs: [
        {
          to: email.to,
          from: email.from,
          smarthost: email.server,
          ...(email.login ? { auth_username: email.login.username, auth_password: email.login.password.reveal() } : {}),
          // 465 speaks TLS from the first byte, the others ask for it; without it no password crosses the internet.
          require_tls: !email.server.endsWith(':465'),
          headers: { Subject: subject },
          html: '',
          text: text(pages),
          send_resolved: true,
        },
      ],
    },
    ntfy: ntfy && {
      webhook_configs: [
        {
          // ntfy knows Alertmanager's JSON and makes a message of it.
          url: `${ntfy.url.reveal()}?template=alertmanager`,
          ...(ntfy.token ? { http_config: { authorization: { credentials: ntfy.token.reveal() } } } : {}),
          send_resolved: true,
        },
      ],
    },
    telegram: telegram && {
      telegram_configs: [
        {
          bot_token: telegram.token.reveal(),
          chat_id: telegram.chat,
          parse_mode: '',
          message: text(pages),
          send_resolved: true,
        },
      ],
    },
    webhook: webhook && { webhook_configs: [{ url: webhook.url.reveal(), send_resolved: true }] },
  }
}

/** Where the files of a repository are shown: GitHub's way, which GitLab and Forgejo lead on from; empty when nobody can tell. */
export function pagesOf({ repository, revision }: Pick<Site['git'], 'repository' | 'revision'>): string {
  const address = asHttps(repository)?.replace(/(\.git)?\/?$/, '')
  return address === undefined ? '' : `${address}/blob/${revision}/`
}

/**
 * The whole file. Without a channel it is valid too: alerts then stand in Alertmanager's and Grafana's pages only.
 * @param pages what stands before the path of a runbook
 * @returns YAML, with the secrets in it
 */
export function alertmanagerConfig(alerts: Alerts, pages: string): string {
  const chosen = Object.entries(receivers(alerts, pages)).filter(([, config]) => config !== undefined)
  return stringify(
    {
      route: {
        receiver: 'nobody',
        // One message for what has one cause.
        group_by: ['alertname', 'namespace'],
        group_wait: '30s',
        group_interval: '5m',
        repeat_interval: '12h',
        routes: [
          {
            matchers: ['alertname="Watchdog"'],
            receiver: alerts.deadman ? 'deadman' : 'nobody',
            group_wait: '0s',
            group_interval: '30s',
            repeat_interval: '1m',
          },
          { matchers: ['alertname="InfoInhibitor"'], receiver: 'nobody' },
          { matchers: ['severity="info"'], receiver: 'nobody' },
          ...chosen.map(([receiver]) => ({
            receiver,
            continue: true, // on to the next channel
            // Each test is a message of its own, at once.
            routes: [{ matchers: [`alertname="${testAlert}"`], receiver, group_by: ['...'], group_wait: '0s' }],
          })),
        ],
      },
      inhibit_rules: inhibitions,
      receivers: [
        { name: 'nobody' },
        ...(alerts.deadman
          ? [{ name: 'deadman', webhook_configs: [{ url: alerts.deadman.url.reveal(), send_resolved: false }] }]
          : []),
        ...chosen.map(([name, config]) => ({ name, ...config })),
      ],
    },
    { lineWidth: 0 },
  )
}

/** The cause is told, what follows from it is not. */
const inhibitions = [
  { source: 'severity="critical"', target: 'severity=~"warning|info"', equal: ['namespace', 'alertname'] },
  // What runs on a lost node is away with it. A Proxmox host has no such label, and what has none is not its matter.
  { source: 'alertname="NodeDown",node!=""', target: 'alertname=~"TargetDown|KubeNode.*|Kubelet.*"', equal: ['node'] },
  // Without DNS or the ingress no host answers, and each would be told one by one.
  { source: 'alertname=~"DnsDown|IngressDown"', target: 'alertname=~"PublishedHostDown|ErrorBudget.*"', equal: [] },
  {
    source: 'alertname="InternetDown"',
    target: 'alertname=~"CertificateNotReady|BackupStorageUnavailable"',
    equal: [],
  },
].map(({ source, target, equal }) => ({ source_matchers: [source], target_matchers: [target], equal }))
