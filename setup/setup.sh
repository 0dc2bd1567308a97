# Set-up steps shared by quickstart, run-tests and bench/run, which source this file. A step that is done is skipped.
# Environment variables:
#   LORALENS_TORCH        folder of an installed torch package (2.11 or later) to use instead of installing one
#   LORALENS_TORCH_INDEX  package index to install torch from, such as that of PyTorch's CPU builds
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
program=$root/build/release/loralens
models=${XDG_CACHE_HOME:-$HOME/.cache}/loralens/models
base_sha256=d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9  # of Whisper base's CTranslate2 file

say() { printf '%s\n' "$*" >&2; }
die() { say "$(basename "$0"): $*"; exit 1; }

# Prints a list without its comments.
lines_of() { grep -v '^#' "$1"; }

debian_packages() {  # LIST
  local list=$root/setup/$1 missing as_root=()
  if ! command -v dpkg-query >/dev/null; then
    say "Not a Debian: the packages of setup/$1 must be there under the names they have here."
    return
  fi
  missing=$(comm -23 <(lines_of "$list" | sort) <(installed_packages "$list"))
  [[ -z $missing ]] && return
  if [[ $EUID -ne 0 ]]; then
    if command -v sudo >/dev/null && { [[ -t 0 ]] || sudo -n true 2>/dev/null; }; then
      as_root=(sudo)
    else
      die "as root, please: apt-get install --no-install-recommends" $missing
    fi
  fi
  say "Installing Debian packages:" $missing
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >&2
}

installed_packages() {  # LIST
  lines_of "$1" | xargs dpkg-query -W -f '${Package} ${db:Status-Status}\n' 2>/dev/null |
    sed -n 's/ installed$//p' | sort
}

# Makes a Python environment with the packages of a list. A copy of the list inside marks it as complete. HOOK: called
# with the folder before the packages are installed.
environment() {  # FOLDER LIST [HOOK]
  local folder=$root/$1 list=$root/setup/$2
  cmp -s "$list" "$folder/installed.txt" && return
  say "Installing the Python packages of setup/$2 into $1 (a few minutes)"
  [[ -x $folder/bin/pip ]] || python3 -m venv --clear "$folder"
  "${3:-true}" "$folder"
  "$folder/bin/pip" install --quiet -r "$list"
  cp "$list" "$folder/installed.txt"
}

# Installs torch from LORALENS_TORCH_INDEX, if that is set; the other packages then come from the default index.
torch_from_index() {  # ENVIRONMENT
  [[ -n ${LORALENS_TORCH_INDEX:-} ]] || return 0
  "$1/bin/pip" install --quiet --index-url "$LORALENS_TORCH_INDEX" "$(grep '^torch==' "$root/setup/requirements.txt")"
}

# Makes an environment import the torch of the build, so that oracle and program compute with the same torch.
see_torch() {  # ENVIRONMENT
  local packages
  packages=$("$1/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  dirname "$(torch_folder)" > "$packages/torch_of_the_build.pth"
  "$1/bin/python" -c 'import torch' 2>/dev/null && return
  rm "$packages/torch_of_the_build.pth"  # that torch is for another Python version
  torch_from_index "$1"
  "$1/bin/pip" install --quiet -r "$root/setup/requirements.txt"
}

# The same for the packages of .venv-test.
see_torch_and_tests() {  # ENVIRONMENT
  local packages of_tests
  see_torch "$1"
  packages=$("$1/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  of_tests=$("$root/.venv-test/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  printf '%s\n' "$of_tests" > "$packages/packages_of_the_tests.pth"
}

torch_folder() {
  if [[ -n ${LORALENS_TORCH:-} ]]; then
    [[ -f $LORALENS_TORCH/lib/libtorch_cpu.so ]] ||
      die "LORALENS_TORCH=$LORALENS_TORCH holds no lib/libtorch_cpu.so: name the folder .../site-packages/torch"
    printf '%s\n' "$LORALENS_TORCH"
  else
    printf '%s\n' "$root"/.venv/lib/python3*/site-packages/torch
  fi
}

# Installs the build's Python packages: torch (unless LORALENS_TORCH names one), and vl-convert for the report's page.
install_torch() {
  torch_folder >/dev/null
  if [[ -z ${LORALENS_TORCH:-} ]]; then
    environment .venv requirements.txt torch_from_index
  elif ! "$root/.venv/bin/python" -c 'import vl_convert' 2>/dev/null; then
    [[ -x $root/.venv/bin/pip ]] || python3 -m venv "$root/.venv"
    "$root/.venv/bin/pip" install --quiet "$(grep '^vl-convert-python==' "$root/setup/requirements.txt")"
  fi
}

# Configures a CMake preset, unless its build folder is configured with the same torch and with tests.
configure() {  # PRESET
  local torch
  torch=$(torch_folder)
  if [[ ! -f $root/build/$1/build.ninja ]] ||
     ! grep -qsFx "LORALENS_TORCH:PATH=$torch" "$root/build/$1/CMakeCache.txt" ||
     ! grep -qsFx "LORALENS_TESTS:BOOL=ON" "$root/build/$1/CMakeCache.txt"; then
    (cd "$root" && cmake --preset "$1" -DLORALENS_TORCH:PATH="$torch" -DLORALENS_TESTS=ON -DLORALENS_UNITY=ON >&2)
  fi
}

build() {  # PRESET [TARGET...]
  local preset=$1
  shift
  configure "$preset"
  cmake --build "$root/build/$preset" -j"$(nproc)" ${1:+--target "$@"} >&2
}

# Downloads real Whisper weights into the user's cache, unless this machine has them, with the tokens of the decoder's
# prompt (generation_config.json, which folders of older versions lack). Needs the built program.
weights() {  # NAME, SHA-256 of the CTranslate2 file
  local target=$models/openai--whisper-$1 python=$root/.venv/bin/python whole=false
  [[ -f $target/config.json && -f $target/model.safetensors ]] && whole=true
  $whole && [[ -f $target/generation_config.json ]] && return
  if ! $whole && HF_HUB_OFFLINE=1 "$program" fetch "$1" >/dev/null 2>&1; then return; fi
  say "Fetching the weights of Whisper $1"
  [[ -x $root/.venv/bin/pip ]] || python3 -m venv "$root/.venv"
  mkdir -p "$models"
  "$root/setup/fetch-weights" "$python" "$program" "$root/setup/weights-$1.txt" "$2" "$target" && return
  $whole ||
    die "the weights of Whisper $1 could not be fetched; on a machine with internet '$program fetch $1' does it too"
  say "$target stays as it is: all commands but 'transcribe' can use it"
}

all_weights() {
  weights base "$base_sha256"
  weights tiny.en 1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a
}
