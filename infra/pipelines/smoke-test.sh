#!/bin/sh
# Whether an installation works: it is up, it can work, and its control plane knows who asks.
# smoke-test.sh BASE_URL TOKEN_AUDIENCE RESOURCE_GROUP WORKSPACE, by whoever `az` is logged in as.
set -eu
base=$1 audience=$2 group=$3 workspace=$4

asked() { # NAME EXPECTED CURL-ARGUMENTS...: for five minutes, since a new version takes its time
    name=$1 expected=$2 tries=0
    shift 2
    while :; do
        code=$(curl --silent --output /dev/null --write-out '%{http_code}' --max-time 30 "$@" || true)
        [ "$code" = "$expected" ] && break
        tries=$((tries + 1))
        if [ "$tries" -ge "${SMOKE_TRIES:-30}" ]; then
            echo "$name was answered $code, not $expected" >&2
            exit 1
        fi
        sleep "${SMOKE_PAUSE:-10}"
    done
    echo "$name: $code"
}

asked "is up" 200 "$base/healthz"
asked "can work" 200 "$base/readyz"
subscription=$(az account show --query id --output tsv)
scope="$base/subscriptions/$subscription/resourceGroups/$group/providers/Microsoft.MachineLearningServices/workspaces/$workspace"
asked "refuses who is nobody" 401 "$scope/onlineEndpoints"
token=$(az account get-access-token --resource "$audience" --query accessToken --output tsv)
asked "lists endpoints" 200 --header "Authorization: Bearer $token" "$scope/onlineEndpoints"
