#!/usr/bin/env bash
# Install the system libraries that Python packages cannot bring, on Debian and Ubuntu. Elsewhere, or without the right
# to install, say what to do and go on: everything but the named feature works without them.
# Usage: system_packages.sh run|test
set -euo pipefail

run_packages=(
  libportaudio2 # microphone
  libgl1 libglib2.0-0 libegl1 libgles2 # OpenCV and MediaPipe
)
test_packages=(
  chromium # browser tests
  espeak-ng # speech for tests
  gcc libc6-dev # the virtual camera's test device
  pulseaudio libasound2-plugins # a microphone without hardware
  xvfb xauth # a screen without hardware
)

# Debian's own Python comes without the means to make a virtual environment.
if command -v python3 >/dev/null && ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
  run_packages+=(python3-venv)
fi

packages=("${run_packages[@]}")
if [[ "${1:-run}" == test ]]; then
  packages+=("${test_packages[@]}")
fi

if [[ "$(uname -s)" == Darwin ]]; then
  command -v brew >/dev/null && brew list portaudio >/dev/null 2>&1 \
    || echo "For the microphone: brew install portaudio"
  exit 0
fi
if ! command -v apt-get >/dev/null; then
  echo "Not a Debian system: please install the equivalents of: ${packages[*]}"
  exit 0
fi

missing=()
for package in "${packages[@]}"; do
  # Some libraries were renamed (libglib2.0-0t64); either name counts. An unknown name makes dpkg-query fail.
  status="$(dpkg-query -W -f '${Status}\n' "$package" "${package}t64" 2>/dev/null || true)"
  if [[ "$status" != *"ok installed"* ]]; then
    missing+=("$package")
  fi
done
if [[ ${#missing[@]} -eq 0 ]]; then
  exit 0
fi

if [[ "$(id -u)" == 0 ]]; then
  sudo=()
elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [[ -t 0 ]]; }; then
  sudo=(sudo)
else
  echo "Please install, as an administrator: apt-get install ${missing[*]}"
  exit 0
fi
echo "Installing system packages: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${sudo[@]}" apt-get update -q || echo "apt-get update failed; trying with the lists there are"
"${sudo[@]}" apt-get install -y -q --no-install-recommends "${missing[@]}"
