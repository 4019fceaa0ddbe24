{{/* scopegate.yaml: config, and what follows from the other values. */}}
{{- define "scopegate.config" -}}
{{- $config := deepCopy .Values.config -}}
{{- $secrets := "/run/secrets/scopegate" -}}
{{- $_ := set $config "listen" (printf "%s:8080" .Values.listenAddress) -}}
{{- $admin := dict "listen" (printf "%s:9090" .Values.listenAddress) "token_sha256" (printf "${file:%s/admin/%s}" $secrets .Values.admin.token.hashKey) -}}
{{- if .Values.admin.tls.secretName -}}
  {{- $tls := dict "cert_file" (printf "%s/admin-tls/tls.crt" $secrets) "key_file" (printf "%s/admin-tls/tls.key" $secrets) -}}
  {{- if .Values.admin.tls.clientCA.secretName -}}
    {{- $_ := set $tls "client_ca_file" (printf "%s/admin-client-ca/%s" $secrets .Values.admin.tls.clientCA.key) -}}
    {{- $_ := set $tls "client_auth" "optional" -}}
  {{- end -}}
  {{- $_ := set $admin "tls" $tls -}}
{{- end -}}
{{- $_ := set $config "admin" $admin -}}
{{- if .Values.tls.secretName -}}
  {{- $tls := dict "cert_file" (printf "%s/tls/tls.crt" $secrets) "key_file" (printf "%s/tls/tls.key" $secrets) -}}
  {{- if .Values.tls.clientCA.secretName -}}
    {{- $_ := set $tls "client_ca_file" (printf "%s/client-ca/%s" $secrets .Values.tls.clientCA.key) -}}
    {{- $_ := set $tls "client_auth" .Values.tls.clientAuth -}}
  {{- end -}}
  {{- $_ := set $config "tls" $tls -}}
{{- end -}}
{{- if .Values.gateway.enabled -}}
  {{- $_ := set $config "gateway_adapters" (dict "listen" (printf "%s:9091" .Values.listenAddress)) -}}
{{- end -}}
{{- if .Values.state.enabled -}}
  {{- $state := merge (dict "path" "/var/lib/scopegate/state/scopegate.db") (default dict $config.state) -}}
  {{- if .Values.state.keySecret.name -}}
    {{- $_ := set $state "key" (printf "${file:%s/state/%s}" $secrets .Values.state.keySecret.key) -}}
  {{- end -}}
  {{- $_ := set $config "state" $state -}}
{{- end -}}
{{- if .Values.audit.enabled -}}
  {{- $audit := merge (dict "path" "/var/lib/scopegate/audit/audit.jsonl") (default dict $config.audit) -}}
  {{- if .Values.audit.keySecret.name -}}
    {{- $_ := set $audit "key" (printf "${file:%s/audit/%s}" $secrets .Values.audit.keySecret.key) -}}
  {{- end -}}
  {{- $_ := set $config "audit" $audit -}}
{{- end -}}
{{- if .Values.sharedState.enabled -}}
  {{- $shared := merge (dict "key" (printf "${file:%s/shared-state/%s}" $secrets .Values.sharedState.keySecret.key)) (default dict $config.shared_state) -}}
  {{- if .Values.valkey.enabled -}}
    {{- $_ := set $shared "url" (printf "redis://scopegate:${file:%s/valkey/%s}@%s-valkey:6379/0" $secrets .Values.valkey.passwordSecret.key (include "scopegate.fullname" .)) -}}
  {{- else -}}
    {{- $_ := set $shared "url" (printf "${file:%s/shared-state-url/%s}" $secrets .Values.sharedState.urlSecret.key) -}}
  {{- end -}}
  {{- if .Values.sharedState.caSecret.name -}}
    {{- $_ := set $shared "ca_file" (printf "%s/shared-state-ca/%s" $secrets .Values.sharedState.caSecret.key) -}}
  {{- end -}}
  {{- $_ := set $config "shared_state" $shared -}}
{{- end -}}
{{- $_ := set $config "limits" (merge (dict) (default dict $config.limits) (dict "shutdown_delay_s" (include "scopegate.shutdownDelay" . | float64))) -}}
{{- toYaml $config -}}
{{- end }}

{{/* What of the configuration must restart the pods when it changes: what the proxy reads at its start only, or everything. */}}
{{- define "scopegate.restarting" -}}
{{- $config := fromYaml (include "scopegate.config" .) -}}
{{- if eq .Values.restartOnConfigChange "always" -}}
  {{- toYaml (dict "config" $config "catalogs" .Values.catalogs) -}}
{{- else -}}
  {{- $start := pick $config "listen" "gateway_adapters" "audit" "shared_state" "log" "workers" -}}
  {{- $_ := set $start "state" (pick (default dict $config.state) "path" "key" "max_bytes") -}}
  {{- $_ := set $start "tracing" (pick (default dict $config.tracing) "otlp") -}}
  {{- $_ := set $start "admin" (pick $config.admin "listen") -}}
  {{- $_ := set $start "https" (list (hasKey $config "tls") (hasKey $config.admin "tls")) -}}
  {{- toYaml $start -}}
{{- end -}}
{{- end }}

{{/* Which Secret is mounted under which name, and which of its keys (none: all). One line per mount: NAME SECRET KEY... */}}
{{- define "scopegate.secrets" -}}
admin {{ include "scopegate.adminSecretName" . }} {{ .Values.admin.token.hashKey }}
{{- with .Values.admin.tls.secretName }}
admin-tls {{ . }} tls.crt tls.key
{{- end }}
{{- with .Values.admin.tls.clientCA }}{{ if .secretName }}
admin-client-ca {{ .secretName }} {{ .key }}
{{- end }}{{ end }}
{{- with .Values.tls.secretName }}
tls {{ . }} tls.crt tls.key
{{- end }}
{{- with .Values.tls.clientCA }}{{ if .secretName }}
client-ca {{ .secretName }} {{ .key }}
{{- end }}{{ end }}
{{- if .Values.state.enabled }}{{ with .Values.state.keySecret }}{{ if .name }}
state {{ .name }} {{ .key }}
{{- end }}{{ end }}{{ end }}
{{- if .Values.audit.enabled }}{{ with .Values.audit.keySecret }}{{ if .name }}
audit {{ .name }} {{ .key }}
{{- end }}{{ end }}{{ end }}
{{- if .Values.sharedState.enabled }}
shared-state {{ .Values.sharedState.keySecret.name }} {{ .Values.sharedState.keySecret.key }}
{{- with .Values.sharedState.urlSecret }}{{ if .name }}
shared-state-url {{ .name }} {{ .key }}
{{- end }}{{ end }}
{{- with .Values.sharedState.caSecret }}{{ if .name }}
shared-state-ca {{ .name }} {{ .key }}
{{- end }}{{ end }}
{{- if .Values.valkey.enabled }}
valkey {{ .Values.valkey.passwordSecret.name }} {{ .Values.valkey.passwordSecret.key }}
{{- end }}
{{- end }}
{{- end }}
