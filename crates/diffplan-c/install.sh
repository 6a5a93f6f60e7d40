#!/bin/sh
# Builds the C library and installs it: libdiffplan shared and static, diffplan.h and diffplan.hpp, diffplan.pc, a package for CMake.
#
#     crates/diffplan-c/install.sh --prefix /usr/local [--destdir DIR] [--profile NAME] [--no-build]
#
# --destdir puts everything below DIR, for packages; the files still say the prefix. --no-build takes what an earlier run built.
# --profile is one of Cargo's, release by default. Every file appears whole: written beside its place and renamed.
set -eu
fail() {
  echo "install.sh: $1" >&2
  exit 1
}
prefix= destdir= build=yes profile=release
while [ $# -gt 0 ]; do
  case $1 in
    --prefix) prefix=${2:?a folder is expected after --prefix}; shift ;;
    --prefix=*) prefix=${1#*=} ;;
    --destdir) destdir=${2:?a folder is expected after --destdir}; shift ;;
    --destdir=*) destdir=${1#*=} ;;
    --profile) profile=${2:?a name is expected after --profile}; shift ;;
    --profile=*) profile=${1#*=} ;;
    --no-build) build= ;;
    *) fail "$1 is not known; expected --prefix DIR, --destdir DIR, --profile NAME, --no-build" ;;
  esac
  shift
done
[ -n "$prefix" ] || fail "where to? expected --prefix DIR, such as /usr/local"
case $prefix in
  /*) ;;
  *) prefix=$PWD/$prefix ;;
esac
crate=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$crate/../.." && pwd)
target=${CARGO_TARGET_DIR:-$root/target}
case $profile in
  dev) made=$target/debug ;;
  *) made=$target/$profile ;;
esac
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/Cargo.toml" | head -1)
abi=$(sed -n 's/^#define DIFFPLAN_ABI_VERSION //p' "$crate/include/diffplan.h")
[ -n "$version" ] && [ -n "$abi" ] || fail "no version in $root/Cargo.toml, or no ABI version in $crate/include/diffplan.h"

case $(uname -s) in
  Darwin) built=libdiffplan_c.dylib shared=libdiffplan.$abi.dylib link=libdiffplan.dylib ;;
  *) built=libdiffplan_c.so shared=libdiffplan.so.$abi link=libdiffplan.so ;;
esac
# What the static library needs of the system, in the compiler's own words, from the build.
natives=$made/libdiffplan_c.natives
if [ -n "$build" ]; then
  mkdir -p "$made"
  (cd "$root" && cargo rustc --profile "$profile" -p diffplan-c --lib -- --print native-static-libs) 2>"$natives.log" || {
    cat "$natives.log" >&2
    fail "the build failed"
  }
  sed -n 's/.*native-static-libs: //p' "$natives.log" | tail -1 | tr ' ' '\n' | awk 'NF && !seen[$0]++' | tr '\n' ' ' |
    sed 's/ $//' >"$natives.new"
  mv "$natives.new" "$natives"
  rm -f "$natives.log"
fi
for file in "$built" libdiffplan_c.a libdiffplan_c.natives; do
  [ -f "$made/$file" ] || fail "$made/$file is not there: run this without --no-build"
done
private=$(cat "$natives")
[ -n "$private" ] || fail "the compiler does not say which libraries a static library needs (--print native-static-libs)"

to=$destdir$prefix
put() { # FILE DESTINATION MODE
  mkdir -p "$(dirname "$2")"
  cp "$1" "$2.new$$"
  chmod "$3" "$2.new$$"
  mv -f "$2.new$$" "$2"
}
text() { # DESTINATION, from stdin
  mkdir -p "$(dirname "$1")"
  cat >"$1.new$$"
  chmod 644 "$1.new$$"
  mv -f "$1.new$$" "$1"
}
put "$made/libdiffplan_c.a" "$to/lib/libdiffplan.a" 644
put "$made/$built" "$to/lib/$shared" 755
ln -sf "$shared" "$to/lib/$link.new$$"
mv -f "$to/lib/$link.new$$" "$to/lib/$link"
put "$crate/include/diffplan.h" "$to/include/diffplan.h" 644
put "$crate/include/diffplan.hpp" "$to/include/diffplan.hpp" 644
text "$to/lib/pkgconfig/diffplan.pc" <<PC
prefix=$prefix
libdir=\${prefix}/lib
includedir=\${prefix}/include

Name: diffplan
Description: Planning by diffusion, in control loops
Version: $version
Libs: -L\${libdir} -ldiffplan
Libs.private: $private
Cflags: -I\${includedir}
PC
list=$(echo "$private" | tr ' ' ';')
text "$to/lib/cmake/diffplan/diffplan-config.cmake" <<CMAKE
# diffplan::diffplan, the shared library, and diffplan::diffplan_static. Made by install.sh; it may be moved with its folder.
get_filename_component(_diffplan_prefix "\${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
foreach(_diffplan_file lib/$shared lib/libdiffplan.a include/diffplan.h)
  if(NOT EXISTS "\${_diffplan_prefix}/\${_diffplan_file}")
    set(diffplan_FOUND FALSE)
    set(diffplan_NOT_FOUND_MESSAGE "\${_diffplan_prefix}/\${_diffplan_file} is missing: install diffplan anew")
    return()
  endif()
endforeach()
if(NOT TARGET diffplan::diffplan)
  add_library(diffplan::diffplan SHARED IMPORTED)
  set_target_properties(diffplan::diffplan PROPERTIES
    IMPORTED_LOCATION "\${_diffplan_prefix}/lib/$shared"
    IMPORTED_SONAME "$shared"
    INTERFACE_INCLUDE_DIRECTORIES "\${_diffplan_prefix}/include")
  add_library(diffplan::diffplan_static STATIC IMPORTED)
  set_target_properties(diffplan::diffplan_static PROPERTIES
    IMPORTED_LOCATION "\${_diffplan_prefix}/lib/libdiffplan.a"
    INTERFACE_LINK_LIBRARIES "$list"
    INTERFACE_INCLUDE_DIRECTORIES "\${_diffplan_prefix}/include")
endif()
CMAKE
text "$to/lib/cmake/diffplan/diffplan-config-version.cmake" <<CMAKE
set(PACKAGE_VERSION "$version")
# Before 1.0 a minor version may differ in everything.
string(REGEX MATCH "^[0-9]+\\\\.[0-9]+" _diffplan_series "\${PACKAGE_VERSION}")
string(REGEX MATCH "^[0-9]+\\\\.[0-9]+" _diffplan_wanted "\${PACKAGE_FIND_VERSION}")
if(PACKAGE_VERSION VERSION_LESS PACKAGE_FIND_VERSION OR NOT _diffplan_series STREQUAL _diffplan_wanted)
  set(PACKAGE_VERSION_COMPATIBLE FALSE)
else()
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
  if(PACKAGE_VERSION VERSION_EQUAL PACKAGE_FIND_VERSION)
    set(PACKAGE_VERSION_EXACT TRUE)
  endif()
endif()
CMAKE
echo "installed diffplan $version below $to: lib/$shared, lib/libdiffplan.a, include/diffplan.h, include/diffplan.hpp"
