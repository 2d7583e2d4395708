#!/usr/bin/env bash
# Brings InfluxDB to what stands in this folder: buckets and how long they keep, tasks, and one token for each who needs
# one, with no more rights than that. Runs after every sync; a second run changes nothing. Needs bash and curl.
set -euo pipefail

: "${INFLUX:?the address of InfluxDB}" "${KUBERNETES:?the address of the API server}" "${RAW_RETENTION:?}" "${HOURLY_RETENTION:?}"
: "${ORGANISATION:=homelab}" "${ADMIN_TOKEN_FILE:=/admin/admin-token}"
: "${ACCOUNT:=/var/run/secrets/kubernetes.io/serviceaccount}"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

say() { printf '%s\n' "$*"; }
fail() { printf 'x %s\n' "$@" >&2; exit 1; }

# Secrets go to curl by file descriptors and standard input: an argument could be read by everybody on the node.
influx() { # METHOD PATH [BODY]
  local answer
  if ! answer=$(printf '%s' "${3:-}" | curl --silent --show-error --fail-with-body --max-time 30 --request "$1" \
    --header @<(printf 'Authorization: Token %s\n' "$(<"$ADMIN_TOKEN_FILE")") --header 'Content-Type: application/json' \
    ${3:+--data-binary @-} "$INFLUX$2" 2>&1); then
    say "InfluxDB: $1 ${2%%\?*}: $answer" >&2
    return 1
  fi
  printf '%s' "$answer"
}

kubernetes() { # METHOD PATH [BODY]
  printf '%s' "${3:-}" | curl --silent --show-error --fail-with-body --max-time 30 --request "$1" --cacert "$ACCOUNT/ca.crt" \
    --header @<(printf 'Authorization: Bearer %s\n' "$(<"$ACCOUNT/token")") --header 'Content-Type: application/apply-patch+yaml' \
    ${3:+--data-binary @-} "$KUBERNETES$2"
}

# The first value of a key in JSON, however it is spaced. For keys whose values are plain: ids, numbers, tokens.
first() { grep -o "\"$1\": *\"\?[^\",}]*" | head -n 1 | sed 's/^[^:]*: *"\{0,1\}//' || true; }

quoted() { # TEXT as a JSON string
  local text=${1//\\/\\\\}
  text=${text//\"/\\\"}
  text=${text//$'\t'/\\t}
  printf '"%s"' "${text//$'\n'/\\n}"
}

seconds() { # 30d
  local number=${1%[hdwy]}
  [[ $number =~ ^[1-9][0-9]*$ ]] || fail "$1 is no time to keep" 'write a number and h, d, w or y, for example 30d'
  case $1 in
    *h) echo $((number * 3600)) ;;
    *d) echo $((number * 86400)) ;;
    *w) echo $((number * 604800)) ;;
    *y) echo $((number * 31536000)) ;;
    *) fail "$1 is no time to keep" 'write a number and h, d, w or y, for example 30d' ;;
  esac
}

bucket() { # NAME RETENTION; the id is left in $id
  local found keep rules
  keep=$(seconds "$2")
  rules="[{\"type\":\"expire\",\"everySeconds\":$keep}]"
  found=$(influx GET "/api/v2/buckets?orgID=$org&name=$1" || true) # a name that is not there is 404 in some versions
  id=$(first id <<<"$found")
  if [[ -z $id ]]; then
    id=$(influx POST /api/v2/buckets "{\"orgID\":\"$org\",\"name\":\"$1\",\"retentionRules\":$rules}" | first id)
    say "+ bucket $1, keeps $2"
  elif [[ $(first everySeconds <<<"$found") != "$keep" ]]; then
    influx PATCH "/api/v2/buckets/$id" "{\"retentionRules\":$rules}" >/dev/null
    say "~ bucket $1 keeps $2"
  else
    say "= bucket $1 keeps $2"
  fi
  [[ -n $id ]] || fail "InfluxDB made no bucket $1"
}

task() { # NAME; its Flux is in NAME.flux
  local id flux
  flux=$(quoted "$(<"$here/$1.flux")")
  id=$(influx GET "/api/v2/tasks?orgID=$org&name=$1" | first id)
  if [[ -z $id ]]; then
    influx POST /api/v2/tasks "{\"orgID\":\"$org\",\"flux\":$flux}" >/dev/null
    say "+ task $1"
  else
    influx PATCH "/api/v2/tasks/$id" "{\"flux\":$flux}" >/dev/null # the same text changes nothing
    say "= task $1"
  fi
}

permission() { # read|write BUCKET-ID
  printf '{"action":"%s","resource":{"type":"buckets","orgID":"%s","id":"%s"}}' "$1" "$org" "$2"
}

# A token is shown once, when it is made: it goes into a Secret, with the id of what InfluxDB knows it by.
token() { # NAMESPACE/SECRET PERMISSIONS LABELS KEY [TEMPLATE, in which TOKEN is replaced]
  local path=/api/v1/namespaces/${1%/*}/secrets/${1#*/} known made secret
  known=$(kubernetes GET "$path" 2>/dev/null | first homelab/authorization) || known=
  if [[ -n $known ]] && influx GET "/api/v2/authorizations/$known" >/dev/null 2>&1; then
    say "= token in $1"
    return
  fi
  made=$(influx POST /api/v2/authorizations "{\"orgID\":\"$org\",\"description\":\"${1#*/}\",\"permissions\":[$2]}")
  secret=$(first token <<<"$made")
  [[ -n $secret ]] || fail "InfluxDB made no token for $1"
  if [[ -n ${5:-} ]]; then secret=${5//TOKEN/$secret}; fi
  kubernetes PATCH "$path?fieldManager=influxdb-setup&force=true" "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",
    \"metadata\":{\"name\":\"${1#*/}\",\"labels\":$3,\"annotations\":{\"homelab/authorization\":\"$(first id <<<"$made")\"}},
    \"data\":{\"$4\":\"$(printf '%s' "$secret" | base64 | tr -d '\n')\"}}" >/dev/null ||
    fail "the Secret $1 could not be written" "the Role for it: infrastructure/influxdb/setup/rbac.yaml"
  say "+ token in $1"
}

for attempt in {1..60}; do
  [[ $(curl --silent --max-time 5 "$INFLUX/health" | first status) == pass ]] && break
  ((attempt < 60)) || fail "InfluxDB does not answer at $INFLUX" 'its pod says why: kubectl -n influxdb logs influxdb-0'
  sleep "${PAUSE:-5}"
done

org=$(influx GET "/api/v2/orgs?org=$ORGANISATION" | first id) || org=
[[ -n $org ]] || fail "InfluxDB knows no organisation $ORGANISATION, or not the token of the Secret influxdb-admin" \
  'that Secret counts at the first start only: infrastructure/influxdb/README.md says how to change it'

bucket proxmox "$RAW_RETENTION"; proxmox=$id
bucket proxmox-hourly "$HOURLY_RETENTION"; proxmox_hourly=$id
bucket house "$RAW_RETENTION"; house=$id
bucket house-hourly "$HOURLY_RETENTION"; house_hourly=$id

task proxmox-hourly
task house-hourly

token influxdb/proxmox-token "$(permission write "$proxmox")" '{}' token
token influxdb/telegraf-token "$(permission write "$house")" '{}' token
reads=
for one in "$proxmox" "$proxmox_hourly" "$house" "$house_hourly"; do reads+="${reads:+,}$(permission read "$one")"; done
# Grafana's sidecar takes data sources from Secrets with this label, too, and reloads them when they change.
token monitoring/grafana-datasource-influxdb "$reads" '{"grafana_datasource":"1"}' influxdb.yaml \
  "$(<"$here/grafana-datasource.yaml")"
