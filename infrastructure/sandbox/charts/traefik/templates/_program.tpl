{{- /* Command line of the program: https://doc.traefik.io/traefik/reference/install-configuration/configuration-options/ */}}
{{- define "arguments" -}}
- --global.checkNewVersion={{ .Values.global.checkNewVersion }}
{{- if .Values.global.sendAnonymousUsage }}
- --global.sendAnonymousUsage=true
{{- end }}
{{- range $name, $port := .Values.ports }}
- --entryPoints.{{ $name }}.address=:{{ $port.port }}/tcp
{{- with dig "http" "redirections" "entryPoint" dict $port }}
{{- /* By name, but what the browser is told is the port of the Service. */}}
- --entryPoints.{{ $name }}.http.redirections.entryPoint.to=:{{ (index $.Values.ports .to).exposedPort }}
- --entryPoints.{{ $name }}.http.redirections.entryPoint.scheme={{ .scheme }}
- --entryPoints.{{ $name }}.http.redirections.entryPoint.permanent={{ .permanent | default false }}
{{- end }}
{{- if dig "http" "tls" "enabled" false $port }}
- --entryPoints.{{ $name }}.http.tls=true
{{- end }}
{{- end }}
- --api.dashboard={{ .Values.api.dashboard }}
- --ping=true
{{- with .Values.metrics.prometheus }}
- --metrics.prometheus=true
- --metrics.prometheus.entrypoint={{ .entryPoint }}
{{- if .addRoutersLabels }}
- --metrics.prometheus.addRoutersLabels=true
{{- end }}
{{- end }}
{{- with .Values.providers.kubernetesCRD }}
{{- if .enabled }}
- --providers.kubernetescrd
- --providers.kubernetescrd.allowEmptyServices=true
{{- with .defaultTLSResourcesNamespace }}
- --providers.kubernetescrd.defaultTLSResourcesNamespace={{ . }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.providers.kubernetesIngress }}
{{- if .enabled }}
- --providers.kubernetesingress
- --providers.kubernetesingress.allowEmptyServices=true
{{- if .publishedService.enabled }}
- --providers.kubernetesingress.ingressendpoint.publishedservice={{ $.Release.Namespace }}/{{ $.Release.Name }}
{{- end }}
{{- end }}
{{- end }}
- --log.level={{ .Values.log.level }}
- --log.format={{ .Values.log.format }}
{{- with .Values.accessLog }}
{{- if .enabled }}
- --accesslog=true
- --accesslog.format={{ .format }}
{{- with .filters.statusCodes }}
- --accesslog.filters.statuscodes={{ . }}
{{- end }}
- --accesslog.fields.defaultmode=keep
- --accesslog.fields.headers.defaultmode=drop
{{- end }}
{{- end }}
{{- end }}

{{- define "patience" -}}
initialDelaySeconds: 2
periodSeconds: 10
successThreshold: 1
timeoutSeconds: 2
{{- end }}
