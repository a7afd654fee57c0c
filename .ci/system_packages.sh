#!/usr/bin/env bash
# Installs the system packages that the environment needs and this machine lacks (Debian, Ubuntu):
# directly as root, with sudo where it asks no password; else names exactly what to install.
# Usage: system_packages.sh PYTHON      Installs nothing, and asks for nothing, where all is there.
set -u
python=${1:?usage: system_packages.sh PYTHON}
export PATH="$PATH:/usr/sbin:/sbin"

libraries=$(ldconfig -p 2>/dev/null)
missing=()
needs_library() { # NAME PACKAGE
  [[ $libraries == *"$1 (libc6,x86-64"* ]] || missing+=("$2")
}
needs_command() { # NAME PACKAGE
  command -v "$1" >/dev/null || missing+=("$2")
}

# Loaded by Open3D, which casts the rays.
needs_library libusb-1.0.so.0 libusb-1.0-0
needs_library libGL.so.1 libgl1
needs_library libEGL.so.1 libegl1
needs_library libX11.so.6 libx11-6
needs_library libudev.so.1 libudev1
needs_library libidn2.so.0 libidn2-0
# Loaded by PyTorch.
needs_library libgomp.so.1 libgomp1
# Build the message package.
needs_command gcc gcc
needs_command g++ g++
needs_command cmake cmake
needs_command make make

python_name=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
"$python" -c 'import ensurepip, venv' >/dev/null 2>&1 || missing+=("$python_name-venv")
"$python" -c 'import os, sysconfig as s; open(os.path.join(s.get_path("include"), "Python.h"))' \
  >/dev/null 2>&1 || missing+=("$python_name-dev")

[ ${#missing[@]} -gt 0 ] || exit 0
echo "System packages missing: ${missing[*]}"

ask() {
  echo "$1" >&2
  echo "Install them yourself, then run make again:" >&2
  echo "  sudo apt-get update && sudo apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 1
}

command -v apt-get >/dev/null || ask "There is no apt-get here; these are the Debian names."
if [ "$(id -u)" -eq 0 ]; then
  as_root=(env)
elif sudo -n true 2>/dev/null; then
  as_root=(sudo -n env)
else
  ask "Installing them needs root, and sudo would ask for a password."
fi
apt=("${as_root[@]}" DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120)
"${apt[@]}" update || echo "apt-get update failed; trying with the package lists that are here" >&2
"${apt[@]}" install -y --no-install-recommends "${missing[@]}" || ask "apt-get install failed (see above)."
