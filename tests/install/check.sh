#!/bin/sh
# Has programs find the installed C library: by pkg-config, CMake, statically, from the packages.
#
#     check.sh PREFIXES WORK RUNTIME.deb DEVELOPMENT.deb
#
# PREFIXES has a prefix for each level (1.2, 1.23, 1.3, 1.4); WORK is made.
set -eu

prefixes=$1 work=$2 runtime=$3 development=$4
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$work"

die() {
    echo "check.sh: $*" >&2
    exit 1
}

# same WHAT FOUND WANTED
same() {
    [ "$2" = "$3" ] || die "$1: \"$2\", not \"$3\""
}

# Runs a program of level.c, which prints its level.
run() {
    "$1" || die "$1 ended with $?"
}

for version in 1.2 1.23 1.3 1.4; do
    prefix=$prefixes/$version
    export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
    unset PKG_CONFIG_LIBDIR
    case $version in
        1.2) number=120 ;;
        1.23) number=123 ;;
        1.3) number=130 ;;
        1.4) number=140 ;;
    esac

    # What PKG_CHECK_MODULES asks.
    pkg-config --exists --print-errors "libwebsockets >= 1.2" || die "pkg-config: no $version"
    same "pkg-config" "$(pkg-config --modversion libwebsockets)" "$version"
    # For pkg-config 1.23 is later than 1.4, as it was when both were new.
    if pkg-config --exists "libwebsockets >= 1.24"; then
        die "it is not 1.24"
    fi

    cc -Wall -Wextra -pedantic -Werror "$here/level.c" -o "$work/level-$version" \
        $(pkg-config --cflags --libs libwebsockets) "-Wl,-rpath,$prefix/lib"
    same "level by default" "$(run "$work/level-$version")" "$number"
    g++ -x c++ -std=c++98 -Wall -Wextra -pedantic -Werror "$here/level.c" \
        -o "$work/level-$version-cxx" \
        $(pkg-config --cflags --libs libwebsockets) "-Wl,-rpath,$prefix/lib"
    same "level by default in C++" "$(run "$work/level-$version-cxx")" "$number"

    # Statically: the archive, and what pkg-config says it needs.
    cc "$here/level.c" -o "$work/level-$version-static" $(pkg-config --cflags libwebsockets) \
        "$prefix/lib/libwebsockets.a" \
        $(pkg-config --static --libs libwebsockets | sed 's/-lwebsockets//')
    if objdump -p "$work/level-$version-static" | grep -q 'NEEDED.*websockets'; then
        die "it is not linked statically"
    fi
    same "level when linked statically" "$(run "$work/level-$version-static")" "$number"
done

# A module for each level, whatever is the default.
prefix=$prefixes/1.2
export PKG_CONFIG_PATH="$prefix/lib/pkgconfig"
for pair in 1.2:120 1.23:123 1.3:130 1.4:140; do
    module=libwebsockets-${pair%:*}
    pkg-config --cflags "$module" | grep -q "SOCKEYE_LWS_LEVEL=${pair#*:}" || die "$module"
    cc "$here/level.c" -o "$work/module" $(pkg-config --cflags --libs "$module") \
        "-Wl,-rpath,$prefix/lib"
    same "level of $module" "$(run "$work/module")" "${pair#*:}"
done

# The soname, the links, nothing else in the way of a library's.
needed=$(objdump -p "$work/level-1.2" | sed -n 's/ *NEEDED *\(libwebsockets.*\)/\1/p')
same "soname" "$needed" "libwebsockets.so.2013"
same "link" "$(readlink "$prefix/lib/libwebsockets.so")" "libwebsockets.so.2013"
[ -f "$prefix/lib/$(readlink "$prefix/lib/libwebsockets.so.2013")" ] || die "no library's file"
if nm "$prefix/lib/libwebsockets.so" 2>/dev/null | grep -q .; then
    die "the shared library is not stripped"
fi

# CMake, by targets and by variables, shared and static.
cmake -S "$here" -B "$work/cmake" "-DCMAKE_PREFIX_PATH=$prefix" "-DWANTED=1.2" >"$work/cmake.log" ||
    die "cmake: $(cat "$work/cmake.log")"
cmake --build "$work/cmake" >>"$work/cmake.log" || die "cmake: $(cat "$work/cmake.log")"
for program in by-target by-variable static; do
    same "CMake's $program" "$(run "$work/cmake/$program")" "120"
done
# Another libwebsockets of the system's must not be found in its place.
if cmake -S "$here" -B "$work/cmake-4" "-DCMAKE_PREFIX_PATH=$prefix" -DWANTED=4.1 \
    -DCMAKE_FIND_USE_CMAKE_SYSTEM_PATH=FALSE -DCMAKE_FIND_USE_SYSTEM_ENVIRONMENT_PATH=FALSE \
    >"$work/cmake-4.log" 2>&1; then
    die "CMake takes it for 4.1"
fi

mandoc -T lint -W warning "$prefix/share/man/man7/libwebsockets.7" || die "the manual page"

# The packages.
same "Conflicts" "$(dpkg-deb --field "$development" Conflicts)" "libwebsockets-dev"
same "Depends" "$(dpkg-deb --field "$development" Depends)" \
    "libwebsockets2013 (= $(dpkg-deb --field "$runtime" Version))"
dpkg-deb --field "$runtime" Depends | grep -q '^libc6 (>= 2\.[0-9]*), libgcc-s1$' ||
    die "Depends: $(dpkg-deb --field "$runtime" Depends)"
root=$work/root
for package in "$runtime" "$development"; do
    dpkg-deb --extract "$package" "$root"
    dpkg-deb --control "$package" "$work/control"
    (cd "$root" && md5sum --check --quiet "$work/control/md5sums") || die "md5sums of $package"
    if dpkg-deb --contents "$package" | grep -qv ' root/root '; then
        die "$package has files that are not root's"
    fi
    rm -r "$work/control"
done
libdir=usr/lib/$(cc -print-multiarch)
for file in "$libdir/libwebsockets.so.2013" "$libdir/libwebsockets.so" "$libdir/libwebsockets.a" \
    "$libdir/pkgconfig/libwebsockets.pc" "$libdir/cmake/libwebsockets/libwebsocketsConfig.cmake" \
    usr/include/libwebsockets.h usr/share/man/man7/libwebsockets.7 \
    usr/share/doc/libwebsockets2013/copyright; do
    [ -e "$root/$file" ] || die "no /$file in the packages"
done
if dpkg-deb --contents "$runtime" | grep -q 'include\|\.so$\|\.a$'; then
    die "the runtime package has development files"
fi
cc "$here/level.c" -o "$work/packaged" \
    $(PKG_CONFIG_SYSROOT_DIR=$root PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1 \
        PKG_CONFIG_PATH=$root/$libdir/pkgconfig pkg-config --cflags --libs libwebsockets)
same "level from the packages" "$(LD_LIBRARY_PATH=$root/$libdir run "$work/packaged")" "120"
# dpkg itself: into an empty system, forcing only what that lacks.
mkdir -p "$work/system/var/lib/dpkg/info" "$work/system/var/lib/dpkg/updates"
: >"$work/system/var/lib/dpkg/status"
if [ "$(id -u)" = 0 ]; then
    dpkg --root="$work/system" --force-depends --force-not-root --force-script-chrootless \
        --log=/dev/null --unpack "$runtime" "$development" >"$work/dpkg.log" 2>&1 ||
        die "dpkg: $(cat "$work/dpkg.log")"
    [ -e "$work/system/usr/include/libwebsockets.h" ] || die "dpkg has unpacked no header"
    # The other library's development files beside ours: refused.
    mkdir -p "$work/other/DEBIAN"
    printf '%s\n' 'Package: libwebsockets-dev' 'Version: 4.1.6-3' 'Architecture: all' \
        'Maintainer: nobody <nobody@localhost.invalid>' 'Description: a stand-in' \
        >"$work/other/DEBIAN/control"
    dpkg-deb --build "$work/other" "$work/other.deb" >"$work/dpkg.log"
    if dpkg --root="$work/system" --log=/dev/null --unpack "$work/other.deb" \
        >"$work/dpkg.log" 2>&1; then
        die "dpkg lets libwebsockets-dev in beside ours"
    fi
    grep -q 'conflict' "$work/dpkg.log" || die "dpkg: $(cat "$work/dpkg.log")"
fi
echo "installed, found and run at every level"
