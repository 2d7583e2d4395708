{{- /* (list $ name component) */}}
{{- define "selector" -}}
app.kubernetes.io/name: {{ index . 1 }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
{{- end }}

{{- define "labels" -}}
{{- $root := index . 0 -}}
{{ include "selector" . }}
{{- with index . 2 }}
app.kubernetes.io/component: {{ . }}
{{- end }}
app.kubernetes.io/part-of: argocd
app.kubernetes.io/version: {{ $root.Values.global.image.tag | default $root.Chart.AppVersion }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ $root.Chart.Name }}-{{ $root.Chart.Version }}
{{- end }}

{{- define "image" -}}
{{ .Values.global.image.repository }}:{{ .Values.global.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "hardened" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: { drop: [ALL] }
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "patience" -}}
initialDelaySeconds: 10
periodSeconds: 10
timeoutSeconds: 1
successThreshold: 1
failureThreshold: 3
{{- end }}

{{- /* What the programs are told. Whatever type a value has, they are told a text. */}}
{{- define "cmd-params" -}}
{{- $defaults := dict "repo.server" "argocd-repo-server:8081" "redis.server" "argocd-redis:6379" "server.repo.server.strict.tls" "false" }}
{{- range list "applicationsetcontroller" "controller" "reposerver" "server" }}
{{- $_ := set $defaults (printf "%s.log.format" .) "text" }}
{{- $_ := set $defaults (printf "%s.log.level" .) "info" }}
{{- end }}
{{- include "texts" (merge (dict) .Values.configs.params $defaults) }}
{{- end }}

{{- define "cm" -}}
{{- include "texts" (merge (dict) .Values.configs.cm (dict
  "url" (printf "https://%s" .Values.global.domain)
  "application.instanceLabelKey" "argocd.argoproj.io/instance"
  "timeout.reconciliation" "180s"
  "timeout.reconciliation.jitter" "60s"
  "timeout.hard.reconciliation" "0s"
  "resource.exclusions" (include "unwatched" .))) }}
{{- end }}

{{- define "texts" -}}
{{- range $key, $value := . }}
{{ $key }}: {{ $value | toString | quote }}
{{- end }}
{{- end }}

{{- /* Kinds that change all the time and that nobody keeps in Git. */}}
{{- define "unwatched" -}}
- apiGroups: ['', discovery.k8s.io]
  kinds: [Endpoints, EndpointSlice]
- apiGroups: [coordination.k8s.io]
  kinds: [Lease]
- apiGroups: [authentication.k8s.io, authorization.k8s.io]
  kinds: ['*']
- apiGroups: [cert-manager.io, certificates.k8s.io]
  kinds: [CertificateRequest, CertificateSigningRequest]
{{- end }}
