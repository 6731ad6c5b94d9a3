# common.sh - what the commands of this folder share. Sourced by bash, from the repository's root.

say() { printf '%s: %s\n' "$COMMAND" "$*"; }
die() {
    printf '%s: %s\n' "$COMMAND" "$*" >&2
    exit 1
}

# as_root COMMAND... - run it as root, through sudo where this user is another.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo -- "$@"
    else
        return 1
    fi
}

# packages_of GROUP... - the packages of these groups of deploy/packages.
packages_of() {
    local group
    for group; do
        awk -v group="$group" '$1 == group { print $2 }' deploy/packages
    done
}

# packages_missing PACKAGE... - those that are not installed. nginx-light is one of several packages with the same program.
packages_missing() {
    local package
    for package; do
        case $package in
        nginx-light) [ -x /usr/sbin/nginx ] && continue ;;
        esac
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
    done
}

# Some packages start what they install. Here nothing is to stay behind, so services are held back while apt works,
# unless the machine has a rule of its own for that.
POLICY=/usr/sbin/policy-rc.d

apt_install() {
    local held=0 status=0
    if [ ! -e $POLICY ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee $POLICY >/dev/null && as_root chmod 755 $POLICY && held=1
    fi
    as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l \
        apt-get install -y -qq --no-install-recommends "$@" </dev/null || status=$?
    [ $held = 0 ] || as_root rm -f $POLICY
    return $status
}

# need_packages GROUP... - install what is missing of these groups. Nothing is asked of the network when nothing is missing.
need_packages() {
    local missing
    command -v dpkg-query >/dev/null || die "this is no Debian: install what deploy/packages names, then build with meson"
    missing=$(packages_missing $(packages_of "$@"))
    [ -n "$missing" ] || return 0
    say "installing" $missing
    as_root true || die "neither root nor sudo: install these packages first:" $missing
    as_root apt-get update -qq || die "apt-get update failed; these packages are missing:" $missing
    apt_install $missing || die "apt-get could not install:" $missing
}

# configure FOLDER OPTION... - make the build folder, or give it these options if it is there.
configure() {
    local folder=$1
    shift
    if [ -f "$folder/build.ninja" ]; then
        meson configure "$folder" "$@" >/dev/null
    else
        meson setup "$folder" "$@"
    fi
}

PROGRAMS=programs
