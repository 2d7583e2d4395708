{{- /*
  Argo CD's parts, one entry each. values: their key in values.yaml; probe: the port whose /healthz answers; callers: who
  may call it; params: environment variable → key of argocd-cmd-params-cm or argocd-cm; mounts: path → ConfigMap or Secret,
  or an empty folder.
*/}}
{{- define "parts" -}}
application-controller:
  values: controller
  kind: StatefulSet
  args: [/usr/local/bin/argocd-application-controller, --metrics-port=8082]
  ports: { metrics: 8082 }
  metrics: 8082
  probe: metrics
  workingDir: /home/argocd
  env: { ARGOCD_CONTROLLER_REPLICAS: '1', ARGOCD_APPLICATION_CONTROLLER_NAME: argocd-application-controller, KUBECACHEDIR: /tmp/kubecache }
  params:
    ARGOCD_RECONCILIATION_TIMEOUT: timeout.reconciliation
    ARGOCD_HARD_RECONCILIATION_TIMEOUT: timeout.hard.reconciliation
    ARGOCD_RECONCILIATION_JITTER: timeout.reconciliation.jitter
    ARGOCD_APPLICATION_CONTROLLER_REPO_SERVER: repo.server
    ARGOCD_APPLICATION_CONTROLLER_LOGFORMAT: controller.log.format
    ARGOCD_APPLICATION_CONTROLLER_LOGLEVEL: controller.log.level
    ARGOCD_APPLICATION_CONTROLLER_SERVER_SIDE_DIFF: controller.diff.server.side
    REDIS_SERVER: redis.server
  mounts:
    home: { at: /home/argocd }
    tmp: { at: /tmp }
    repo-server-tls: { at: /app/config/controller/tls, secret: argocd-repo-server-tls }
server:
  values: server
  args: [/usr/local/bin/argocd-server, --port=8080, --metrics-port=8083]
  ports: { server: 8080, metrics: 8083 }
  service: [{ name: http, port: 80, targetPort: 8080 }, { name: https, port: 443, targetPort: 8080 }]
  metrics: 8083
  probe: server
  alive: true
  env: { ARGOCD_SERVER_NAME: argocd-server }
  params:
    ARGOCD_SERVER_INSECURE: server.insecure
    ARGOCD_SERVER_LOGFORMAT: server.log.format
    ARGOCD_SERVER_LOG_LEVEL: server.log.level
    ARGOCD_SERVER_REPO_SERVER: repo.server
    ARGOCD_SERVER_REPO_SERVER_STRICT_TLS: server.repo.server.strict.tls
    REDIS_SERVER: redis.server
  mounts:
    home: { at: /home/argocd }
    tmp: { at: /tmp }
    ssh-known-hosts: { at: /app/config/ssh, configMap: argocd-ssh-known-hosts-cm }
    tls-certs: { at: /app/config/tls, configMap: argocd-tls-certs-cm }
    repo-server-tls: { at: /app/config/server/tls, secret: argocd-repo-server-tls }
repo-server:
  values: repoServer
  args: [/usr/local/bin/argocd-repo-server, --port=8081, --metrics-port=8084]
  ports: { repo-server: 8081, metrics: 8084 }
  service: [{ name: tcp-repo-server, port: 8081, targetPort: repo-server }]
  callers: [server, application-controller, applicationset-controller]
  metrics: 8084
  probe: metrics
  alive: true
  copyutil: true
  env: { ARGOCD_REPO_SERVER_NAME: argocd-repo-server, HELM_CACHE_HOME: /helm-working-dir, HELM_CONFIG_HOME: /helm-working-dir, HELM_DATA_HOME: /helm-working-dir }
  params:
    ARGOCD_RECONCILIATION_TIMEOUT: timeout.reconciliation
    ARGOCD_REPO_SERVER_LOGFORMAT: reposerver.log.format
    ARGOCD_REPO_SERVER_LOGLEVEL: reposerver.log.level
    REDIS_SERVER: redis.server
  mounts:
    helm-working-dir: { at: /helm-working-dir }
    tmp: { at: /tmp }
    plugins: { at: /home/argocd/cmp-server/plugins }
    gpg-keyring: { at: /app/config/gpg/keys }
    gpg-keys: { at: /app/config/gpg/source, configMap: argocd-gpg-keys-cm }
    ssh-known-hosts: { at: /app/config/ssh, configMap: argocd-ssh-known-hosts-cm }
    tls-certs: { at: /app/config/tls, configMap: argocd-tls-certs-cm }
    repo-server-tls: { at: /app/config/reposerver/tls, secret: argocd-repo-server-tls }
applicationset-controller:
  values: applicationSet
  args: [/usr/local/bin/argocd-applicationset-controller, '--metrics-addr=:8080', '--probe-addr=:8081', '--webhook-addr=:7000']
  ports: { metrics: 8080, probe: 8081, webhook: 7000 }
  service: [{ name: http-webhook, port: 7000, targetPort: webhook }]
  nopolicy: true
  params:
    ARGOCD_APPLICATIONSET_CONTROLLER_ENABLE_LEADER_ELECTION: applicationsetcontroller.enable.leader.election
    ARGOCD_APPLICATIONSET_CONTROLLER_LOGFORMAT: applicationsetcontroller.log.format
    ARGOCD_APPLICATIONSET_CONTROLLER_LOGLEVEL: applicationsetcontroller.log.level
    ARGOCD_APPLICATIONSET_CONTROLLER_REPO_SERVER: repo.server
  mounts:
    tmp: { at: /tmp }
    gpg-keyring: { at: /app/config/gpg/keys }
    gpg-keys: { at: /app/config/gpg/source, configMap: argocd-gpg-keys-cm }
    ssh-known-hosts: { at: /app/config/ssh, configMap: argocd-ssh-known-hosts-cm }
    tls-certs: { at: /app/config/tls, configMap: argocd-tls-certs-cm }
    repo-server-tls: { at: /app/config/reposerver/tls, secret: argocd-repo-server-tls }
redis:
  values: redis
  args: [--save, '', --appendonly, 'no', --requirepass, $(REDIS_PASSWORD)]
  ports: { redis: 6379 }
  service: [{ name: redis, port: 6379, targetPort: redis }]
  callers: [server, repo-server, application-controller]
  noaccount: true
  user: 999
  mounts:
    health: { at: /health, configMap: argocd-redis-health-configmap }
{{- end }}

{{- /* What a program of Argo CD may do in its own namespace. */}}
{{- define "own-rules" -}}
application-controller:
  - { apiGroups: [''], resources: [secrets, configmaps], verbs: [get, list, watch] }
  - { apiGroups: [''], resources: [events], verbs: [create, list] }
  - { apiGroups: [apps], resources: [deployments], verbs: [get, list, watch] }
  - apiGroups: [argoproj.io]
    resources: [applications, applicationsets, appprojects]
    verbs: [create, get, list, watch, update, patch, delete]
server:
  - { apiGroups: [''], resources: [secrets, configmaps], verbs: [create, get, list, watch, update, patch, delete] }
  - { apiGroups: [''], resources: [events], verbs: [create, list] }
  - apiGroups: [argoproj.io]
    resources: [applications, applicationsets, appprojects]
    verbs: [create, get, list, watch, update, patch, delete]
repo-server: []
applicationset-controller:
  - apiGroups: [argoproj.io]
    resources: [applications, applicationsets, applicationsets/finalizers, applicationsets/status]
    verbs: [create, get, list, watch, update, patch, delete]
  - { apiGroups: [argoproj.io], resources: [appprojects], verbs: [get, list, watch] }
  - { apiGroups: [''], resources: [events, configmaps], verbs: [create, get, list, watch, update, patch, delete] }
  - { apiGroups: [''], resources: [secrets], verbs: [get, list, watch] }
  - { apiGroups: [apps], resources: [deployments], verbs: [get, list, watch] }
  - { apiGroups: [coordination.k8s.io], resources: [leases], verbs: [create, get, update] }
{{- end }}

{{- /* And in the whole cluster: it makes whatever an application holds. */}}
{{- define "cluster-rules" -}}
application-controller:
  - { apiGroups: ['*'], resources: ['*'], verbs: ['*'] }
  - { nonResourceURLs: ['*'], verbs: ['*'] }
server:
  - { apiGroups: ['*'], resources: ['*'], verbs: [get, patch, delete] }
  - { apiGroups: [''], resources: [events], verbs: [list, create] }
  - { apiGroups: [argoproj.io], resources: [applications, applicationsets], verbs: [get, list, watch, update] }
  - { apiGroups: [batch], resources: [jobs], verbs: [create] }
{{- end }}
