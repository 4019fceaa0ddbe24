{{/* The pod of the proxy, the same for Deployment and StatefulSet. */}}
{{- define "scopegate.pod" -}}
metadata:
  labels:
    {{- include "scopegate.podLabels" (list (include "scopegate.selector" .) .) | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    kubectl.kubernetes.io/default-container: scopegate
    {{- if not (or .Values.existingConfigMap (eq .Values.restartOnConfigChange "never")) }}
    checksum/configuration: {{ include "scopegate.restarting" . | sha256sum }}
    {{- end }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  serviceAccountName: {{ include "scopegate.serviceAccountName" . }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  securityContext:
    {{- toYaml .Values.podSecurityContext | nindent 4 }}
  terminationGracePeriodSeconds: {{ include "scopegate.terminationGrace" . }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .Values.runtimeClassName }}
  runtimeClassName: {{ . }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.dnsConfig }}
  dnsConfig:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  topologySpreadConstraints:
    {{- if .Values.topologySpreadConstraints }}
    {{- toYaml .Values.topologySpreadConstraints | nindent 4 }}
    {{- else }}
    {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "scopegate.selector" $ | nindent 10 }}
    {{- end }}
    {{- end }}
  containers:
    - name: scopegate
      image: {{ include "scopegate.image" (list .Values.image .Chart.AppVersion) }}
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      command: [scopegate]
      args:
        - serve
        - --config
        - /etc/scopegate/scopegate.yaml
        {{- with .Values.extraArgs }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with .Values.env }}
      env:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .Values.envFrom }}
      envFrom:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        - {name: traffic, containerPort: 8080, protocol: TCP}
        - {name: admin, containerPort: 9090, protocol: TCP}
        {{- if .Values.gateway.enabled }}
        - {name: gateway, containerPort: 9091, protocol: TCP}
        {{- end }}
      securityContext:
        {{- toYaml .Values.securityContext | nindent 8 }}
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      startupProbe:
        {{- include "scopegate.probe" (list . "/livez" .Values.probes.startup) | nindent 8 }}
      livenessProbe:
        {{- include "scopegate.probe" (list . "/livez" .Values.probes.liveness) | nindent 8 }}
      readinessProbe:
        {{- include "scopegate.probe" (list . "/readyz" .Values.probes.readiness) | nindent 8 }}
      {{- if gt (int .Values.preStopSeconds) 0 }}
      lifecycle:
        preStop:
          sleep:
            seconds: {{ .Values.preStopSeconds }}
      {{- end }}
      terminationMessagePolicy: FallbackToLogsOnError
      volumeMounts:
        {{- include "scopegate.mounts" . | nindent 8 }}
  volumes:
    {{- include "scopegate.volumes" . | nindent 4 }}
{{- end }}

{{/* (list $ path numbers): health is answered without a token, on the admin listener. */}}
{{- define "scopegate.probe" -}}
httpGet:
  path: {{ index . 1 }}
  port: admin
  scheme: {{ ternary "HTTPS" "HTTP" (ne (index . 0).Values.admin.tls.secretName "") }}
{{ toYaml (index . 2) }}
{{- end }}

{{- define "scopegate.mounts" -}}
- {name: config, mountPath: /etc/scopegate, readOnly: true}
{{- range splitList "\n" (include "scopegate.secrets" .) }}
{{- $name := first (splitList " " .) }}
- {name: secret-{{ $name }}, mountPath: /run/secrets/scopegate/{{ $name }}, readOnly: true}
{{- end }}
{{- range $name, $_ := .Values.secretMounts }}
- {name: own-{{ $name }}, mountPath: /run/secrets/scopegate/{{ $name }}, readOnly: true}
{{- end }}
{{- if include "scopegate.hasVolume" . }}
- {name: data, mountPath: /var/lib/scopegate}
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "scopegate.volumes" -}}
- name: config
  configMap:
    name: {{ include "scopegate.configMapName" . }}
    {{- if and .Values.catalogs (not .Values.existingConfigMap) }}
    items:
      - {key: scopegate.yaml, path: scopegate.yaml}
      {{- range $name, $_ := .Values.catalogs }}
      - {key: catalog.{{ $name }}, path: catalogs/{{ $name }}}
      {{- end }}
    {{- end }}
{{- range splitList "\n" (include "scopegate.secrets" .) }}
{{- $parts := splitList " " . }}
- name: secret-{{ first $parts }}
  secret:
    secretName: {{ index $parts 1 }}
    defaultMode: 0440
    items:
      {{- range slice $parts 2 }}
      - {key: {{ . }}, path: {{ . }}}
      {{- end }}
{{- end }}
{{- range $name, $secret := .Values.secretMounts }}
- name: own-{{ $name }}
  secret:
    secretName: {{ $secret.secretName }}
    defaultMode: 0440
    {{- with $secret.optional }}
    optional: {{ . }}
    {{- end }}
    {{- with $secret.items }}
    items:
      {{- toYaml . | nindent 6 }}
    {{- end }}
{{- end }}
{{- if and (include "scopegate.hasVolume" .) (not .Values.persistence.enabled) }}
- name: data
  emptyDir:
    sizeLimit: {{ .Values.persistence.emptyDirSizeLimit }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}
