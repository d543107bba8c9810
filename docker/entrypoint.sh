#!/bin/sh
# serve: with the site's settings when they are mounted, else with what the environment says; any other word is a command of `connector`.
set -eu
settings=${CONNECTOR_SETTINGS:-/etc/connector/connector.yaml}
data=${CONNECTOR_DATA:-/var/lib/connector}
if [ "${1:-serve}" != serve ]; then
  exec connector "$@"
fi
[ $# -gt 0 ] && shift
if [ -r "$settings" ]; then
  exec connector serve "$settings" "$@"
fi
echo "no settings at $settings: a test environment that listens on MLLP ${CONNECTOR_MLLP_PORT:-2575} and serves HTTP ${CONNECTOR_HTTP_PORT:-8080}" >&2
exec connector serve --mllp "${CONNECTOR_MLLP_PORT:-2575}" --http "${CONNECTOR_HTTP_PORT:-8080}" --data "$data" "$@"
