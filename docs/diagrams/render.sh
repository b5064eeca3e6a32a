#!/usr/bin/env bash
# Draw each diagram of this folder again, with Mermaid's command line `mmdc` (npm: @mermaid-js/mermaid-cli). The pages show
# the drawings, so that no reader needs Mermaid; `tests/unit/test_diagrams.py` fails where a drawing is older than its source.
# $MMDC may name another `mmdc`, with options.
set -euo pipefail
cd "$(dirname "$0")"
for source in *.mmd; do
    drawing="${source%.mmd}.svg"
    ${MMDC:-mmdc} --quiet --theme neutral --backgroundColor white --input "$source" --output "$drawing"
    printf '\n<!-- drawn from %s -->\n' "$(sha256sum <"$source" | cut -d ' ' -f 1)" >>"$drawing"
done
