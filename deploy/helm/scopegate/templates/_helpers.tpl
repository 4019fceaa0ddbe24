{{- define "scopegate.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Room is left for the longest suffix, -valkey, and what a StatefulSet adds. */}}
{{- define "scopegate.fullname" -}}
{{- $name := include "scopegate.name" . -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $full .Values.fullnameOverride | trunc 45 | trimSuffix "-" }}
{{- end }}

{{- define "scopegate.selector" -}}
app.kubernetes.io/name: {{ include "scopegate.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: proxy
{{- end }}

{{- define "scopegate.valkeySelector" -}}
app.kubernetes.io/name: {{ include "scopegate.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: valkey
{{- end }}

{{/* Labels of every object: (list $ "component"). */}}
{{- define "scopegate.labels" -}}
{{- $ := index . 0 -}}
app.kubernetes.io/name: {{ include "scopegate.name" $ }}
app.kubernetes.io/instance: {{ $.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
app.kubernetes.io/version: {{ $.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: scopegate
app.kubernetes.io/managed-by: {{ $.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $.Chart.Name $.Chart.Version | replace "+" "_" }}
{{- with $.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Labels of pods: (list selector $). Without the chart's version, so that a new chart alone restarts nothing. */}}
{{- define "scopegate.podLabels" -}}
{{- $ := index . 1 -}}
{{ index . 0 }}
app.kubernetes.io/version: {{ $.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: scopegate
{{- with $.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "scopegate.serviceAccountName" -}}
{{- $own := include "scopegate.fullname" . -}}
{{- if .Values.serviceAccount.create }}{{ default $own .Values.serviceAccount.name }}{{ else }}{{ default "default" .Values.serviceAccount.name }}{{ end }}
{{- end }}

{{- define "scopegate.configMapName" -}}
{{- default (include "scopegate.fullname" .) .Values.existingConfigMap }}
{{- end }}

{{- define "scopegate.adminSecretName" -}}
{{- if .Values.admin.token.generate }}{{ include "scopegate.fullname" . }}-admin{{ else }}{{ .Values.admin.token.secretName }}{{ end }}
{{- end }}

{{/* An image by digest, or by tag: (list image default-tag). */}}
{{- define "scopegate.image" -}}
{{- $image := index . 0 -}}
{{- if $image.digest }}{{ $image.repository }}@{{ $image.digest }}{{ else }}{{ $image.repository }}:{{ default (index . 1) $image.tag }}{{ end }}
{{- end }}

{{- define "scopegate.workloadKind" -}}
{{- ternary "StatefulSet" "Deployment" .Values.persistence.enabled }}
{{- end }}

{{- define "scopegate.hasVolume" -}}
{{- if or .Values.state.enabled .Values.audit.enabled }}true{{ end }}
{{- end }}

{{/* Seconds in which a stopping proxy still serves, so that connections that are open move on. */}}
{{- define "scopegate.shutdownDelay" -}}
{{- dig "limits" "shutdown_delay_s" 5 .Values.config }}
{{- end }}

{{/* What Kubernetes must leave a pod: the pause before the signal, the proxy's own delay and grace, and ten seconds to write down what it knows. */}}
{{- define "scopegate.terminationGrace" -}}
{{- if not (kindIs "invalid" .Values.terminationGracePeriodSeconds) -}}
{{- .Values.terminationGracePeriodSeconds }}
{{- else -}}
{{- $grace := dig "limits" "shutdown_grace_s" 30 .Values.config -}}
{{- $delay := include "scopegate.shutdownDelay" . -}}
{{- add .Values.preStopSeconds (ceil (addf (float64 $delay) (float64 $grace)) | int) 10 }}
{{- end }}
{{- end }}

{{/* What values contradict each other in; a schema cannot say it clearly. */}}
{{- define "scopegate.checks" -}}
{{- if not .Values.image.repository }}
  {{- fail "image.repository is required: build the image as deploy/ describes, push it to your registry and name it here" }}
{{- end }}
{{- if and .Values.existingConfigMap (or .Values.config .Values.catalogs) }}
  {{- fail "existingConfigMap excludes config and catalogs: nothing is added to it" }}
{{- end }}
{{- if not (or .Values.existingConfigMap .Values.config.vendors) }}
  {{- fail "config.vendors is required: at least one vendor (docs/how-to/run-on-kubernetes.md has an example), or existingConfigMap" }}
{{- end }}
{{- if and (kindIs "invalid" .Values.terminationGracePeriodSeconds) (or (kindIs "string" (dig "limits" "shutdown_grace_s" 30 .Values.config)) (kindIs "string" (dig "limits" "shutdown_delay_s" 5 .Values.config))) }}
  {{- fail "terminationGracePeriodSeconds is required: what config.limits.shutdown_grace_s and shutdown_delay_s will be is not known here" }}
{{- end }}
{{- if not (or .Values.admin.token.generate .Values.admin.token.secretName) }}
  {{- fail "admin.token.secretName is required: the pod network reaches the admin listener, so it asks for a token. Make a Secret with the keys token and token-sha256 (docs/how-to/run-on-kubernetes.md), or set admin.token.generate=true" }}
{{- end }}
{{- if and .Values.admin.token.generate .Values.admin.token.secretName }}
  {{- fail "admin.token.generate and admin.token.secretName exclude each other" }}
{{- end }}
{{- if and .Values.admin.tls.clientCA.secretName (not .Values.admin.tls.secretName) }}
  {{- fail "admin.tls.clientCA needs admin.tls.secretName: without HTTPS no client certificate is asked for" }}
{{- end }}
{{- if and .Values.tls.clientCA.secretName (not .Values.tls.secretName) }}
  {{- fail "tls.clientCA needs tls.secretName: without HTTPS no client certificate is asked for" }}
{{- end }}
{{- if and .Values.persistence.enabled (not (include "scopegate.hasVolume" .)) }}
  {{- fail "persistence.enabled needs state.enabled or audit.enabled: otherwise there is nothing to keep" }}
{{- end }}
{{- if and .Values.persistence.enabled .Values.state.enabled (not .Values.state.keySecret.name) }}
  {{- fail "state.keySecret.name is required with persistence: Kubernetes opens the files of a volume to the pod's group, and a key beside the database would be refused" }}
{{- end }}
{{- if and .Values.audit.enabled (not .Values.persistence.enabled) }}
  {{- fail "audit.enabled needs persistence.enabled: an audit log that ends with its pod is none" }}
{{- end }}
{{- if .Values.sharedState.enabled }}
  {{- if not .Values.sharedState.keySecret.name }}
    {{- fail "sharedState.keySecret.name is required: all replicas need the same key (openssl rand -base64 32 makes one)" }}
  {{- end }}
  {{- if eq (not .Values.valkey.enabled) (not .Values.sharedState.urlSecret.name) }}
    {{- fail "sharedState needs exactly one of valkey.enabled and sharedState.urlSecret.name" }}
  {{- end }}
{{- end }}
{{- if .Values.valkey.enabled }}
  {{- if not .Values.sharedState.enabled }}
    {{- fail "valkey.enabled needs sharedState.enabled: nobody would use it" }}
  {{- end }}
  {{- if not .Values.valkey.passwordSecret.name }}
    {{- fail "valkey.passwordSecret.name is required" }}
  {{- end }}
{{- end }}
{{- if and .Values.gateway.enabled (gt (int (dig "workers" 1 .Values.config)) 1) }}
  {{- fail "gateway.enabled needs config.workers: 1 (one process serves gateways); run more replicas instead" }}
{{- end }}
{{- if and .Values.podDisruptionBudget.enabled (kindIs "invalid" .Values.podDisruptionBudget.minAvailable) (kindIs "invalid" .Values.podDisruptionBudget.maxUnavailable) }}
  {{- fail "podDisruptionBudget needs one of minAvailable and maxUnavailable" }}
{{- end }}
{{- if and .Values.autoscaling.enabled (gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas)) }}
  {{- fail "autoscaling.minReplicas is greater than autoscaling.maxReplicas" }}
{{- end }}
{{- end }}
