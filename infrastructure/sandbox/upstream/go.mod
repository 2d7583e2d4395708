// Modules that are read and not built: the custom resource definitions that stand-in charts bring are upstream's own, and so
// are the charts of Sealed Secrets and Gatekeeper. Their versions are those of the pinned charts; a test compares. Nothing imports them, so
// `go mod tidy` has no business here: after a change of a version, `GOFLAGS=-mod=mod go mod download`.
module homelab.invalid/upstream

go 1.26.0

require (
	github.com/bitnami-labs/sealed-secrets v0.36.6
	github.com/open-policy-agent/gatekeeper/v3 v3.23.1
	github.com/prometheus-operator/prometheus-operator v0.93.1
	github.com/vmware-tanzu/velero v1.18.1
)
