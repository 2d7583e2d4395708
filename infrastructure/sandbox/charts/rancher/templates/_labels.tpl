{{- define "labels" -}}
app: rancher
chart: {{ .Chart.Name }}-{{ .Chart.Version }}
heritage: {{ .Release.Service }}
release: {{ .Release.Name }}
{{- end }}

{{- /* hook, weight, delete policy */}}
{{- define "hook" -}}
helm.sh/hook: {{ index . 0 }}
helm.sh/hook-weight: {{ index . 1 | quote }}
helm.sh/hook-delete-policy: {{ index . 2 }}
{{- end }}

{{- /* The small image of which the provisioner's helper pods are made too. */}}
{{- define "imitation" -}}
docker.io/library/busybox:1.37.0
{{- end }}
