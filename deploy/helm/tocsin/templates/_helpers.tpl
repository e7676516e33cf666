{{- define "tocsin.name" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{ else }}{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "tocsin.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "tocsin.labels" -}}
{{ include "tocsin.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- /* What must be right before anything is made; each message names the value. */}}
{{- define "tocsin.check" -}}
{{- $_ := required "publicBaseUrl: where browsers, schools and the SMS provider reach us, https://…" .Values.publicBaseUrl }}
{{- $_ := required "existingSecret: the name of the Secret with database-url, master-keys and the keys of the gateways" .Values.existingSecret }}
{{- if or (has "aliyun" .Values.sms.gateways) (has "tencent" .Values.sms.gateways) }}
{{- $_ := required "sms.textsConfigMap: the name of the ConfigMap with sms-templates.yaml" .Values.sms.textsConfigMap }}
{{- end }}
{{- if has "tencent" .Values.sms.gateways }}
{{- $_ := required "sms.tencentSdkAppId: SmsSdkAppId, from the SMS console" .Values.sms.tencentSdkAppId }}
{{- end }}
{{- if eq .Values.bus "kafka" }}
{{- $_ := required "kafka.bootstrapServers: host:port,host:port of some brokers" .Values.kafka.bootstrapServers }}
{{- range $name, $service := .Values.services }}
{{- if and (dig "autoscaling" "enabled" false $service) (hasKey $service.autoscaling "lagPerReplica") (gt (int $service.autoscaling.max) (int $.Values.kafka.partitions)) }}
{{- fail (printf "services.%s.autoscaling.max: more than kafka.partitions (%d) would have nothing to do" $name (int $.Values.kafka.partitions)) }}
{{- end }}
{{- end }}
{{- end }}
{{- if .Values.ingress.enabled }}
{{- $_ := required "ingress.tlsSecret: the name of the Secret with the certificate" .Values.ingress.tlsSecret }}
{{- if not .Values.gateway.trustedProxies }}
{{- fail "gateway.trustedProxies: the networks of the ingress controller's pods; without them all reporters would share the bounds of one address" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "tocsin.image" -}}
{{- if .Values.image.digest }}{{ .Values.image.repository }}@{{ .Values.image.digest }}{{ else }}{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{- define "tocsin.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "tocsin.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "tocsin.fromSecret" -}}
valueFrom: {secretKeyRef: {name: {{ index . 0 }}, key: {{ index . 1 }}}}
{{- end }}

{{- /* The environment of every container of ours. Secrets by reference only. */}}
{{- define "tocsin.environment" -}}
- name: TOCSIN_DATABASE_URL
  {{ include "tocsin.fromSecret" (list .Values.existingSecret "database-url") }}
- name: TOCSIN_MASTER_KEYS
  {{ include "tocsin.fromSecret" (list .Values.existingSecret "master-keys") }}
- {name: TOCSIN_PUBLIC_BASE_URL, value: {{ .Values.publicBaseUrl | quote }}}
- {name: TOCSIN_LANGUAGE, value: {{ .Values.language | quote }}}
- {name: TOCSIN_LOG_LEVEL, value: {{ .Values.logLevel | quote }}}
- {name: TOCSIN_BUS, value: {{ .Values.bus | quote }}}
{{- if eq .Values.bus "kafka" }}
{{- with .Values.kafka }}
- {name: TOCSIN_KAFKA_BOOTSTRAP_SERVERS, value: {{ .bootstrapServers | quote }}}
- {name: TOCSIN_KAFKA_TOPIC_PREFIX, value: {{ .topicPrefix | quote }}}
- {name: TOCSIN_KAFKA_PARTITIONS, value: {{ .partitions | quote }}}
- {name: TOCSIN_KAFKA_REPLICATION, value: {{ .replication | quote }}}
- {name: TOCSIN_KAFKA_MIN_INSYNC_REPLICAS, value: {{ .minInsyncReplicas | quote }}}
- {name: TOCSIN_KAFKA_RETENTION_HOURS, value: {{ .retentionHours | quote }}}
- {name: TOCSIN_KAFKA_SECURITY_PROTOCOL, value: {{ .securityProtocol | quote }}}
{{- if hasPrefix "SASL" .securityProtocol }}
- {name: TOCSIN_KAFKA_SASL_MECHANISM, value: {{ .saslMechanism | quote }}}
- name: TOCSIN_KAFKA_USERNAME
  {{ include "tocsin.fromSecret" (list $.Values.existingSecret "kafka-username") }}
- name: TOCSIN_KAFKA_PASSWORD
  {{ include "tocsin.fromSecret" (list $.Values.existingSecret "kafka-password") }}
{{- end }}
{{- if .caSecret.name }}
- {name: TOCSIN_KAFKA_CA_FILE, value: /etc/tocsin/kafka/{{ .caSecret.key }}}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "tocsin.mounts" -}}
- {name: tmp, mountPath: /tmp}
{{- if and (eq .Values.bus "kafka") .Values.kafka.caSecret.name }}
- {name: kafka-ca, mountPath: /etc/tocsin/kafka, readOnly: true}
{{- end }}
{{- end }}

{{- define "tocsin.volumes" -}}
- name: tmp
  emptyDir: {medium: Memory, sizeLimit: 64Mi}
{{- if and (eq .Values.bus "kafka") .Values.kafka.caSecret.name }}
- name: kafka-ca
  secret: {secretName: {{ .Values.kafka.caSecret.name }}}
{{- end }}
{{- end }}

{{- define "tocsin.placing" -}}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* Spread over nodes and zones as far as there are any: (list root component). */}}
{{- define "tocsin.spread" -}}
{{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
- maxSkew: 1
  topologyKey: {{ . }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "tocsin.selector" (index $ 0) | nindent 6 }}
      app.kubernetes.io/component: {{ index $ 1 }}
{{- end }}
{{- end }}
