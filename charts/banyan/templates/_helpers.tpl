{{- define "banyan.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "banyan.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride }}
{{- else }}
{{- $name := include "banyan.name" . }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "banyan.serviceAccount" -}}
{{- default (include "banyan.fullname" .) .Values.serviceAccount.name }}
{{- end }}

{{/* Never changes over the life of a release: Deployment, Service, budget and policy select by it. */}}
{{- define "banyan.selectorLabels" -}}
app.kubernetes.io/name: {{ include "banyan.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* The operator looks for its own objects by managed-by: banyan, so the chart's must say Helm. */}}
{{- define "banyan.labels" -}}
{{ include "banyan.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/*
Whether a section of the values is switched on, which it is unless it says otherwise: `helm upgrade --reuse-values` takes the values of the
installed release and none of the chart's, so that a section that is younger than the release is not there.
*/}}
{{- define "banyan.on" -}}
{{- if dig "enabled" true (default dict .) }}on{{ end }}
{{- end }}

{{- define "banyan.image" -}}
{{- $image := .Values.image }}
{{- $repository := $image.repository }}
{{- if $image.registry }}
{{- $repository = printf "%s/%s" $image.registry $image.repository }}
{{- end }}
{{- if $image.digest }}
{{- printf "%s@%s" $repository $image.digest }}
{{- else }}
{{- printf "%s:%s" $repository (default .Chart.AppVersion $image.tag) }}
{{- end }}
{{- end }}

{{/* CEL: whether more of a Waiver than its approval differs from what was there. */}}
{{- define "banyan.waiverChanged" -}}
request.operation == 'CREATE'
|| object.?spec.orValue({}).exists(field, field != 'approval' && (!(field in oldObject.spec) || oldObject.spec[field] != object.spec[field]))
|| oldObject.spec.exists(field, field != 'approval' && !(field in object.?spec.orValue({})))
{{- end }}
