#!/bin/sh
# serve: with the site's settings when they are there, else a test environment; any other word is a command of `connector`
# (in a container that runs: `docker compose exec connector entrypoint.sh doctor`).
set -eu
if [ -z "${CONNECTOR_SETTINGS:-}" ]; then
  unset CONNECTOR_SETTINGS
  if [ -r /etc/connector/connector.yaml ]; then
    export CONNECTOR_SETTINGS=/etc/connector/connector.yaml
  fi
fi
if [ "${1:-serve}" != serve ]; then
  exec connector "$@"
fi
[ $# -eq 0 ] || shift
case "${CONNECTOR_SETTINGS:-}${1:-}" in
"" | -*) ;;
*) exec connector serve "$@" ;; # settings given, by the environment or as a word: ports and destinations stand in them
esac
mllp=${CONNECTOR_MLLP_PORT:-2575}
http=${CONNECTOR_HTTP_PORT:-8080}
echo "no settings: a test environment on MLLP port $mllp and HTTP port $http, in clear" >&2
# Loopback would be the container's own: what is published beyond is decided where the ports are published.
exec connector serve --mllp "0.0.0.0:$mllp" --http "0.0.0.0:$http" --insecure "container network" \
  --data "${CONNECTOR_DATA:-/var/lib/connector}" "$@"
