// Below cert-manager's own path, because its webhook server is an internal package.
module github.com/cert-manager/cert-manager/homelab-sandbox

go 1.26.0

require github.com/cert-manager/cert-manager v1.21.2
