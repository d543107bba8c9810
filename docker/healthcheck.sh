#!/bin/sh
# Healthy: the connector says that it is ready (journal open, listeners up). Where it answers stands in its data folder while it runs.
set -eu
address=http://127.0.0.1:${CONNECTOR_HTTP_PORT:-8080}
told=${CONNECTOR_DATA:-/var/lib/connector}/http.address
if [ -r "$told" ]; then
  address=$(sed 's/0\.0\.0\.0/127.0.0.1/' "$told")
fi
# Never through a proxy, whatever the environment says.
exec python -c '
import sys, urllib.request as web
try:
    web.build_opener(web.ProxyHandler({})).open(sys.argv[1], timeout=4)
except (OSError, ValueError) as error:
    sys.exit(f"not ready: {error}")
' "$address/ready"
