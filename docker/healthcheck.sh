#!/bin/sh
# Healthy: the connector says that it is ready (journal open, listeners up).
exec python -c 'import sys, urllib.request; sys.exit(urllib.request.urlopen(sys.argv[1], timeout=4).status != 200)' \
  "http://127.0.0.1:${CONNECTOR_HTTP_PORT:-8080}/ready"
