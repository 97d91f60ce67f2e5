# SPDX-License-Identifier: Apache-2.0
# Sourced by tools/demo and tools/test: a Python of its own, and what Debian
# packages are needed. Works where the system's Python refuses pip install.

say() { printf '\n=== %s\n' "$*"; }

die() {
    printf '\n%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# Where packages may be installed, how: "", "sudo -n ", or nothing to say.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        sudo -n "$@"
    else
        return 1
    fi
}

APT_UPDATED=""

# need_packages PACKAGE...: Debian packages that must be there.
need_packages() {
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null |
            grep -q 'install ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return 0
    local command="apt-get install -y --no-install-recommends ${missing[*]}"
    command -v apt-get >/dev/null ||
        die "needs ${missing[*]} (names of Debian's packages); install them"
    say "Installing ${missing[*]}"
    if [ -z "$APT_UPDATED" ]; then
        as_root apt-get update -q >/dev/null || true
        APT_UPDATED=yes
    fi
    # shellcheck disable=SC2086
    as_root env DEBIAN_FRONTEND=noninteractive $command >/dev/null ||
        die "needs ${missing[*]}. Run: sudo $command"
}

# find_python: prints the first interpreter that is new enough.
find_python() {
    local python
    for python in "${PYTHON:-python3}" python3.13 python3.12 python3.11; do
        if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
            2>/dev/null; then
            command -v "$python"
            return 0
        fi
    done
    return 1
}

# make_environment FOLDER EXTRAS: a virtual environment with this checkout
# and its extras. A second run installs only what changed.
make_environment() {
    local folder=$1 extras=$2 python stamp
    python=$(find_python) || {
        need_packages python3
        python=$(find_python) ||
            die "needs Python 3.11 or newer; set PYTHON to its path"
    }
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        need_packages "$(basename "$(readlink -f "$python")")-venv"
    fi
    [ -x "$folder/bin/python" ] || {
        say "Making the virtual environment $folder with $python"
        "$python" -m venv "$folder" || die "cannot make $folder"
    }
    stamp="$folder/.installed"
    local wanted
    wanted=$(cat setup.cfg requirements.txt pyproject.toml |
        cksum; echo "$extras")
    [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ] && return 0
    say "Installing nova-ironic-partition[$extras] (some minutes)"
    "$folder/bin/python" -m pip install --quiet \
        --disable-pip-version-check -e ".[$extras]" ||
        die "pip could not install nova-ironic-partition[$extras]"
    printf '%s\n' "$wanted" >"$stamp"
}
