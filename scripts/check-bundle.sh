#!/usr/bin/env bash
# Checks an exported bundle with stock tools only: the bag, the id of every opening record, every
# person's signature, and one inclusion proof up to the root of the final checkpoint. Not checked
# here: the signatures of ledger, witnesses and machines, and the rest of what `azir verify` does.
# Exit code: 0 sound, 2 usage, 4 fault found, 5 a tool is missing.
set -euo pipefail && export LC_ALL=C
[ $# -eq 1 ] && [ -d "$1" ] || { echo "usage: $0 BUNDLE_DIRECTORY" >&2; exit 2; }
for tool in sha256sum ssh-keygen python3; do
  command -v "$tool" >/dev/null || { echo "unavailable: $tool is needed" >&2; exit 5; }
done
cd "$1"
fault() { echo "FAULT: $*" >&2; exit 4; }

for list in manifest-sha256.txt tagmanifest-sha256.txt; do
  [ -f "$list" ] || fault "$list is missing"
  sha256sum --check --strict --quiet "$list" >&2 || fault "$list: a file differs from it"
done
found=$(find . ! -type d ! -path ./tagmanifest-sha256.txt | cut -c3- | sort)
diff <(cut -c67- manifest-sha256.txt tagmanifest-sha256.txt | sort) - <<<"$found" >&2 ||
  fault "files and manifests differ (lines with > are in no manifest)"
echo "bag: $(wc -l <<<"$found") files have their digests, none is unlisted"

for record in incidents/*/record.json; do
  id=$(basename "$(dirname "$record")")
  hash=$(printf 'AZ:INCIDENT:' | cat - "$record" | sha256sum | cut -c1-64)
  [ "$hash" = "$id" ] || fault "$record has the id $hash"
  echo "record: $id is the hash of its record"
done

people=0
for sig in events/*.json.sig; do
  [ "$(head -c 29 "$sig")" = "-----BEGIN SSH SIGNATURE-----" ] || continue
  actor=$(sed -nE 's/^\{"actor":"([^"\\]+)".*/\1/p' "${sig%.sig}") # members are sorted: it is first
  ssh-keygen -Y verify -n azir-event@v1 -f roster/allowed_signers -I "$actor" -s "$sig" \
    <"${sig%.sig}" >/dev/null || fault "$sig is not by $actor"
  people=$((people + 1)) last=$(basename "$sig" .json.sig)
done
[ "$people" -gt 0 ] || fault "no event is signed by a person"
echo "people: $people signatures hold"

python3 - "$last" <<'PY' || fault "proofs/$last.tlog-proof does not hold"
import base64, hashlib, json, sys
H, name = lambda b: hashlib.sha256(b).digest(), sys.argv[1]
read = lambda path: open(path, "rb").read().decode()
event, sig, meta = (read(f"events/{name}.{end}") for end in ("json", "json.sig", "meta.json"))
head, view = meta[1:].split(',"view":')
node = H(f'\0{{"event":{event},{head},"sig":{json.dumps(sig)},"view":{view}'.encode())
proof, checkpoint = read(f"proofs/{name}.tlog-proof").split("\n\n", 1)
at, size, root = int(proof.split("\n")[1][6:]), int(checkpoint.split("\n")[1]), checkpoint.split("\n")[2]
assert at == int(name) == json.loads(meta)["index"] < size, "of another entry"
assert checkpoint == read("checkpoints/%06d.note" % size), "of another checkpoint"
last = size - 1
for step in map(base64.b64decode, proof.split("\n")[2:]):
    left = at & 1 or at == last
    node = H(b"\1" + step + node) if left else H(b"\1" + node + step)
    while left and at and not at & 1: at, last = at >> 1, last >> 1
    at, last = at >> 1, last >> 1
assert last == 0 and base64.b64encode(node).decode() == root, "it leads to another root"
print(f"proof: entry {name} is in the tree of {size} entries with root {root}")
PY
