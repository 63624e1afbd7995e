{{- define "mljobs-operator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 53 | trimSuffix "-" }}
{{- end }}

{{/* Also the name of the Lease. */}}
{{- define "mljobs-operator.fullname" -}}
{{- $name := include "mljobs-operator.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 53 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 53 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "mljobs-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "mljobs-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "mljobs-operator.labels" -}}
{{ include "mljobs-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "mljobs-operator.serviceAccountName" -}}
{{- default (include "mljobs-operator.fullname" .) .Values.serviceAccount.name }}
{{- end }}

{{- define "mljobs-operator.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{/* The file that `mljobs run --config` reads. */}}
{{- define "mljobs-operator.config" -}}
{{- $set := dict
  "namespaces" .Values.watchNamespaces
  "host" "::"
  "port" 8080
  "leaderElection" true
  "leaseNamespace" .Release.Namespace
  "leaseName" (include "mljobs-operator.fullname" .) }}
{{- if .Values.vertexTables }}
{{- $_ := set $set "tables" "/etc/mljobs/config/tables.yaml" }}
{{- end }}
{{- merge $set .Values.config | toYaml }}
{{- end }}

{{/* The Leases of all shards but the first. */}}
{{- define "mljobs-operator.shardLeases" -}}
{{- $fullname := include "mljobs-operator.fullname" . }}
{{- range $number := untilStep 1 (int .Values.config.shards) 1 }}
- '{{ $fullname }}-{{ $number }}'
{{- end }}
{{- end }}

{{/* The work in progress, then the calls in progress, then the Lease: all have to end before the kill. */}}
{{- define "mljobs-operator.grace" -}}
{{- add (ceil .Values.config.drainSeconds | int) (ceil .Values.config.requestTimeout | int) 10 }}
{{- end }}

{{/* What is the same for each container that runs mljobs, and the Pod around it. */}}
{{- define "mljobs-operator.podSecurity" -}}
runAsNonRoot: true
{{- with .Values.runAsUser }}
runAsUser: {{ int . }}
runAsGroup: {{ int . }}
fsGroup: {{ int . }}
{{- end }}
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "mljobs-operator.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{- define "mljobs-operator.env" -}}
{{- with .Values.credentials }}
{{- if .existingSecret.name }}
- name: GOOGLE_APPLICATION_CREDENTIALS
  value: /etc/mljobs/credentials/{{ .existingSecret.key }}
{{- else if .federation.configMap }}
- name: GOOGLE_APPLICATION_CREDENTIALS
  value: /etc/mljobs/credentials/{{ .federation.key }}
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "mljobs-operator.mounts" -}}
- name: config
  mountPath: /etc/mljobs/config
  readOnly: true
{{- with .Values.credentials }}
{{- if or .existingSecret.name .federation.configMap }}
- name: credentials
  mountPath: /etc/mljobs/credentials
  readOnly: true
{{- end }}
{{- if .federation.configMap }}
- name: federation-token
  mountPath: /var/run/secrets/mljobs
  readOnly: true
{{- end }}
{{- end }}
{{- end }}

{{- define "mljobs-operator.volumes" -}}
- name: config
  configMap:
    name: {{ include "mljobs-operator.fullname" . }}
{{- with .Values.credentials }}
{{- if .existingSecret.name }}
- name: credentials
  secret:
    secretName: {{ .existingSecret.name }}
    defaultMode: 0440
    items:
      - key: {{ .existingSecret.key }}
        path: {{ .existingSecret.key }}
{{- else if .federation.configMap }}
- name: credentials
  configMap:
    name: {{ .federation.configMap }}
    items:
      - key: {{ .federation.key }}
        path: {{ .federation.key }}
- name: federation-token
  projected:
    defaultMode: 0440
    sources:
      - serviceAccountToken:
          path: token
          audience: {{ .federation.audience | quote }}
          expirationSeconds: 3600
{{- end }}
{{- end }}
{{- end }}

{{/* What no schema can say. */}}
{{- define "mljobs-operator.validate" -}}
{{- $secret := default "google-credentials" .Values.credentials.existingSecret.name }}
{{- if .Values.credentials.key }}
{{- fail (printf "credentials.key: a key among the values would be kept in every revision of the release. Make the Secret yourself: `kubectl -n %s create secret generic %s --from-file=key.json=FILE`, and set credentials.existingSecret.name=%s; better is a workload identity, which needs no key" .Release.Namespace $secret $secret) }}
{{- end }}
{{- if and .Values.credentials.existingSecret.name .Values.credentials.federation.configMap }}
{{- fail "credentials: existingSecret.name and federation.configMap exclude each other; leave one of them empty" }}
{{- end }}
{{- if and .Values.credentials.federation.configMap (not .Values.credentials.federation.audience) }}
{{- fail "credentials.federation.audience: required with federation.configMap; take `audience` from the credential configuration's pool provider" }}
{{- end }}
{{- if and (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) }}
{{- fail "serviceAccount.name: required if serviceAccount.create is false; name an existing ServiceAccount" }}
{{- end }}
{{- if lt (int .Values.replicaCount) (int .Values.config.shards) }}
{{- fail (printf "replicaCount: %d Pods cannot serve %d shards (config.shards): set it to %d, or one more to have one in reserve" (int .Values.replicaCount) (int .Values.config.shards) (int .Values.config.shards)) }}
{{- end }}
{{- if and .Values.config.anonymous (not .Values.config.endpoint) }}
{{- fail "config.anonymous: needs config.endpoint, since Google's own endpoint takes no request without credentials" }}
{{- end }}
{{- end }}
