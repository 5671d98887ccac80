{{- define "stt.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{/* Labels by which pods are found. Call with (list $ "component"). */}}
{{- define "stt.selector" -}}
app.kubernetes.io/name: {{ (index . 0).Chart.Name }}
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "stt.labels" -}}
{{ include "stt.selector" . }}
app.kubernetes.io/version: {{ (index . 0).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (index . 0).Release.Service }}
helm.sh/chart: {{ printf "%s-%s" (index . 0).Chart.Name (index . 0).Chart.Version }}
{{- end }}

{{/* An image of the suite. Call with (list $ "api-gateway"). */}}
{{- define "stt.image" -}}
{{- $image := (index . 0).Values.image -}}
{{- with $image.registry }}{{ trimSuffix "/" . }}/{{ end }}realtime-stt-suite-{{ index . 1 }}:{{ $image.tag | default (index . 0).Chart.AppVersion }}
{{- end }}

{{/* What is wrong with the values beyond their schema. */}}
{{- define "stt.check" -}}
{{- $ways := 0 }}
{{- range list .Values.redis.url .Values.redis.existingSecret .Values.redis.deploy }}{{ if . }}{{ $ways = add1 $ways }}{{ end }}{{ end }}
{{- if ne (int $ways) 1 }}
{{- fail "say where Redis is by exactly one of redis.url, redis.existingSecret and, for a trial, redis.deploy=true" }}
{{- end }}
{{- if and .Values.database.url .Values.database.existingSecret }}
{{- fail "give the database's address by database.url or by database.existingSecret, not both" }}
{{- end }}
{{- if and (not (include "stt.hasDatabase" .)) (gt (int .Values.gateway.replicas) 1) }}
{{- fail "several gateways need PostgreSQL: give database.url or database.existingSecret, or set gateway.replicas=1" }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.host) }}
{{- fail "ingress.enabled=true needs ingress.host" }}
{{- end }}
{{- $scaling := .Values.autoscaling }}
{{- if and (or $scaling.live.enabled $scaling.files.enabled) (not $scaling.prometheusUrl) }}
{{- fail "autoscaling needs autoscaling.prometheusUrl, such as http://prometheus.monitoring:9090" }}
{{- end }}
{{- if and $scaling.files.enabled (not .Values.fileTranscriber.enabled) }}
{{- fail "autoscaling.files.enabled=true needs fileTranscriber.enabled=true" }}
{{- end }}
{{- end }}

{{- define "stt.hasDatabase" -}}
{{- if or .Values.database.url .Values.database.existingSecret }}yes{{ end }}
{{- end }}

{{/* Variables of a service. Call with (list $ "key in redis.secretKeys" (list maps of settings, later ones win)). */}}
{{- define "stt.env" -}}
{{- $root := index . 0 }}
{{- $settings := dict }}
{{- range index . 2 }}{{ $settings = mustMergeOverwrite $settings (deepCopy .) }}{{ end }}
{{- range $name, $value := $settings }}
- name: {{ $name }}
  value: {{ $value | toString | quote }}
{{- end }}
- name: REDIS_URL
{{- if $root.Values.redis.deploy }}
  value: redis://{{ include "stt.name" $root }}-redis:6379/0
{{- else }}
  valueFrom:
    secretKeyRef:
      name: {{ $root.Values.redis.existingSecret | default (include "stt.name" $root) }}
      key: {{ if $root.Values.redis.existingSecret }}{{ index $root.Values.redis.secretKeys (index . 1) }}{{ else }}redis-url{{ end }}
{{- end }}
{{- end }}

{{- define "stt.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* What every pod has. Call with (list $ "component" values-of-the-service). */}}
{{- define "stt.pod" -}}
{{- $root := index . 0 }}
{{- $service := index . 2 }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  seccompProfile: {type: RuntimeDefault}
  fsGroupChangePolicy: OnRootMismatch
  {{- range $name, $value := $root.Values.podSecurityContext }}
  {{- if kindIs "invalid" $value }}{{ else }}
  {{ $name }}: {{ if kindIs "bool" $value }}{{ $value }}{{ else }}{{ int64 $value }}{{ end }}
  {{- end }}
  {{- end }}
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
# Not all on one machine, and not all in one zone, as far as there are several.
topologySpreadConstraints:
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "stt.selector" (list $root (index $ 1)) | nindent 8 }}
  {{- end }}
{{- with $service.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with $service.affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with $service.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Probes of a worker, by the file that its heartbeat writes. Call with the seconds for its start. */}}
{{- define "stt.workerProbes" -}}
startupProbe:
  exec: {command: [python, -m, stt_shared.work.healthcheck]}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: {{ div . 5 }}
readinessProbe:
  exec: {command: [python, -m, stt_shared.work.healthcheck]}
  periodSeconds: 20
  timeoutSeconds: 5
# A restart helps a worker that is stuck, but not one whose Redis is away.
livenessProbe:
  exec: {command: [python, -m, stt_shared.work.healthcheck, --ignore-redis]}
  periodSeconds: 20
  timeoutSeconds: 5
  failureThreshold: 4
{{- end }}

{{- define "stt.spoolVolume" -}}
- name: spool
  persistentVolumeClaim:
    claimName: {{ .Values.spool.existingClaim | default (printf "%s-spool" (include "stt.name" .)) }}
{{- end }}
