{{/* A deployment of transcribers. Call with (list $ "component" values-of-the-deployment "work" is-autoscaled). */}}
{{- define "stt.transcriber" -}}
{{- $root := index . 0 }}
{{- $component := index . 1 }}
{{- $service := index . 2 }}
{{- $isScaled := index . 4 }}
{{- $models := concat (list $root.Values.model.name) $root.Values.model.also }}
{{- $own := dict "MODELS_DIR" "/models" "WHISPER_MODEL" $root.Values.model.name "TRANSCRIBER_WORK" (index . 3) }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "stt.name" $root }}-{{ $component }}
  labels: {{- include "stt.labels" (list $root $component) | nindent 4 }}
spec:
  {{- if not $isScaled }}
  replicas: {{ $service.replicas }}
  {{- end }}
  # A new one is ready before an old one goes: its sessions move then.
  strategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 0, maxSurge: 1}}
  selector:
    matchLabels: {{- include "stt.selector" (list $root $component) | nindent 6 }}
  template:
    metadata:
      labels: {{- include "stt.labels" (list $root $component) | nindent 8 }}
      {{- with $service.podAnnotations }}
      annotations: {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      {{- include "stt.pod" (list $root $component $service) | nindent 6 }}
      # It hands its sessions to others at once, and puts back the pieces of files in its hands.
      terminationGracePeriodSeconds: 20
      {{- if $root.Values.model.fetch }}
      initContainers:
        - name: model-fetch
          image: {{ include "stt.image" (list $root "transcriber") }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          securityContext: {{- include "stt.containerSecurity" $root | nindent 12 }}
          command: [python, -m, stt_transcriber.models, pull, {{ join ", " $models }}]
          env:
            - {name: MODELS_DIR, value: /models}
            # A model is larger than /tmp.
            - {name: TMPDIR, value: /models}
            - {name: HF_XET_CHUNK_CACHE_SIZE_BYTES, value: "0"}
          resources:
            requests: {cpu: 100m, memory: 256Mi}
            limits: {memory: 2Gi}
          volumeMounts:
            - {name: tmp, mountPath: /tmp}
            - {name: models, mountPath: /models}
      {{- end }}
      containers:
        - name: transcriber
          image: {{ include "stt.image" (list $root "transcriber") }}
          imagePullPolicy: {{ $root.Values.image.pullPolicy }}
          securityContext: {{- include "stt.containerSecurity" $root | nindent 12 }}
          env: {{- include "stt.env" (list $root "transcriber" (list $root.Values.settings $service.settings $own)) | nindent 12 }}
          {{- include "stt.workerProbes" 300 | nindent 10 }}
          resources: {{- toYaml $service.resources | nindent 12 }}
          volumeMounts:
            - {name: tmp, mountPath: /tmp}
            - {name: models, mountPath: /models, readOnly: true}
      volumes:
        - name: tmp
          emptyDir: {sizeLimit: 256Mi}
        - name: models
          {{- if $root.Values.model.existingClaim }}
          persistentVolumeClaim: {claimName: {{ $root.Values.model.existingClaim }}}
          {{- else }}
          emptyDir: {sizeLimit: {{ $root.Values.model.size }}}
          {{- end }}
{{- end }}
