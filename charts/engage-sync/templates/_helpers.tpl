{{/* The name of everything; at most 52 characters, so that -approver and a pod's suffix fit. */}}
{{- define "engage-sync.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end }}

{{- define "engage-sync.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{- define "engage-sync.labels" -}}
{{ include "engage-sync.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "engage-sync.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "engage-sync.fullname" .) -}}
{{- else -}}
{{- required "serviceAccount.name: name the existing ServiceAccount, or let serviceAccount.create be true (the rights must not go to `default`, which all pods share)" .Values.serviceAccount.name -}}
{{- end -}}
{{- end }}

{{- define "engage-sync.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end }}

{{/* The watched namespaces as a JSON list; empty when all are. */}}
{{- define "engage-sync.namespaces" -}}
{{- if and .Values.allNamespaces .Values.namespaces -}}
{{- fail "namespaces and allNamespaces: set one of them, not both" -}}
{{- end -}}
{{- if .Values.allNamespaces -}}
[]
{{- else -}}
{{- concat (list .Release.Namespace) .Values.namespaces | uniq | toJson -}}
{{- end -}}
{{- end }}

{{/* What the operator needs wherever it serves SyncTargets; tests hold it against what it uses. */}}
{{- define "engage-sync.rules" -}}
- apiGroups: [engage-sync.io]
  resources: [synctargets]
  verbs: [get, list, watch, patch] # patch: the finalizer
- apiGroups: [engage-sync.io]
  resources: [synctargets/status]
  verbs: [update]
- apiGroups: [engage-sync.io]
  resources: [syncplans] # no update, no patch: the operator can approve nothing
  verbs: [get, list, watch, create, delete]
- apiGroups: [engage-sync.io]
  resources: [syncplans/status]
  verbs: [update]
- apiGroups: [""]
  resources: [configmaps] # the mapping store, the steps of plans
  verbs: [get, list, create, update, delete]
- apiGroups: [""]
  resources: [secrets] # credentials, each read by its name; no list, no watch
  verbs: [get]
- apiGroups: [""]
  resources: [events]
  verbs: [create]
{{- end }}

{{/* That a ValidatingAdmissionPolicy counts, everywhere. */}}
{{- define "engage-sync.binding" -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ .name }}
  labels:
    {{- include "engage-sync.labels" .root | nindent 4 }}
spec:
  policyName: {{ .name }}
  validationActions: [Deny]
{{- end }}

{{- define "engage-sync.subjects" -}}
- kind: ServiceAccount
  name: {{ include "engage-sync.serviceAccountName" . | quote }}
  namespace: {{ .Release.Namespace | quote }}
{{- end }}
