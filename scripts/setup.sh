#!/bin/sh
# Makes a fresh Debian or Ubuntu with Go ready: a JDK and Maven by apt-get where
# they are missing, bin/crossring compiled, and the jars of the Cassandra
# versions that are named fetched into Maven's local repository meanwhile. A version
# may also be "newest", "oldest", a series, or "all": the newest release of each series.
#
#   sh scripts/setup.sh [--race] [--tests] VERSION...
#
# --race asks for a C compiler too, which Go's race detector needs. --tests asks for
# what tests use besides: an sshd, Podman and the like. That is installed where it can
# be without asking; a test that misses something says so and is skipped.
# Exit status: 0 ok, 1 the build failed, 2 usage, 7 a prerequisite is missing.
set -u
cd "$(dirname "$0")/.." || exit 1

say() { echo "setup: $*" >&2; }

# fail STATUS MESSAGE [HINT]
fail() {
    say "error: $2"
    [ $# -lt 3 ] || say "hint: $3"
    exit "$1"
}

race=
tests=
while :; do
    case ${1:-} in
    --race) race=1 ;;
    --tests) tests=1 ;;
    *) break ;;
    esac
    shift
done

# releases prints what there is a pom for, oldest first: of every series its newest.
releases() {
    find internal/jars/poms -name '[0-9]*.xml' | sed 's,.*/,,; s,\.xml$,,' | sort -t . -k1,1n -k2,2n -k3,3nr | awk -F . '!seen[$1 "." $2]++'
}

# named prints the versions that an argument stands for.
named() {
    case $1 in
    all) releases ;;
    newest) releases | tail -n 1 ;;
    oldest) releases | head -n 1 ;;
    *.*.*) echo "$1" ;;
    *) releases | grep -x "$(echo "$1" | sed 's/\./\\./g')\.[0-9]*" || echo "$1" ;;
    esac
}
# shellcheck disable=SC2046 # a list of words
set -- $(for version in "$@"; do named "$version"; done)
for version in "$@"; do
    [ -f "internal/jars/poms/$version.xml" ] || fail 2 "no pom for cassandra $version" "ls internal/jars/poms"
done

work=$(mktemp -d) || exit 1
build_pid=
policy=
tidy() {
    # What keeps services from starting must not stay, whatever ends this.
    [ -z "$policy" ] || rm -f "$policy"
    [ -z "$build_pid" ] || kill "$build_pid" 2>/dev/null
    rm -rf "$work"
}
trap tidy EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

begun=$(date +%s)
stage() { say "$1: $(($(date +%s) - $2)) s"; }

# java_major prints the major version of the Java that mvn and crossring will
# use, 0 for none.
java_major() {
    if [ -n "${JAVA_HOME:-}" ]; then java=$JAVA_HOME/bin/java; else java=java; fi
    "$java" -XX:-UsePerfData -version 2>&1 |
        sed -n 's/^[^ ]* version "\(1\.\)\{0,1\}\([0-9]*\).*/\2/p' | head -n 1 | grep . || echo 0
}

# apt_install PACKAGE... as root, as one who may become root without being
# asked, or not at all.
apt_install() {
    if [ "$(id -u)" = 0 ]; then
        as_root=
    elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        as_root="sudo -n"
    else
        fail 7 "missing: $*" "sudo apt-get update && sudo apt-get install -y $*"
    fi
    command -v apt-get >/dev/null || fail 7 "missing: $*, and there is no apt-get to install them" "install JDK 17 and Maven 3.6 or newer"
    say "installing $*"
    for package in "$@"; do
        if ! apt-cache show "$package" >/dev/null 2>&1; then
            # A fresh image has no package lists.
            $as_root apt-get update >"$work/apt.log" 2>&1
            break
        fi
    done
    try="$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends"
    # The lists may be older than what the mirror still has: once more with new ones.
    $try "$@" >"$work/apt.log" 2>&1 ||
        { $as_root apt-get update >"$work/apt.log" 2>&1 && $try "$@" >"$work/apt.log" 2>&1; } || {
        tail -n 5 "$work/apt.log" >&2
        fail 7 "could not install $*" "${as_root:+sudo }apt-get update && ${as_root:+sudo }apt-get install -y $*"
    }
}

prerequisites() {
    t=$(date +%s)
    if [ -n "${JAVA_HOME:-}" ] && [ ! -x "$JAVA_HOME/bin/java" ]; then
        fail 7 "JAVA_HOME is $JAVA_HOME, and there is no bin/java in it" "unset JAVA_HOME"
    fi
    packages=
    major=$(java_major)
    if [ "$major" -lt 17 ]; then
        [ -z "${JAVA_HOME:-}" ] || fail 7 "JAVA_HOME has Java $major, 17 is needed" "unset JAVA_HOME"
        packages=openjdk-17-jdk-headless
    fi
    command -v mvn >/dev/null || packages="$packages maven"
    if [ -n "$race" ] && ! command -v "$(go env CC)" >/dev/null; then
        packages="$packages gcc libc6-dev"
    fi
    if [ -n "$packages" ]; then
        # shellcheck disable=SC2086 # a list of words
        apt_install $packages
        major=$(java_major)
    fi
    # From 18 on Java refuses the security manager that Cassandra 3.11 to 5.0 set.
    if [ "$major" != 17 ]; then
        fail 7 "java is version $major, 17 is needed" \
            "apt-get install openjdk-17-jdk-headless, then export JAVA_HOME=/usr/lib/jvm/java-17-openjdk-$(dpkg --print-architecture 2>/dev/null || echo amd64)"
    fi
    stage prerequisites "$t"
}

# tools installs what tests use: program:package. An sshd that comes with it is not
# started.
tools() {
    t=$(date +%s)
    missing=
    for pair in sshd:openssh-server podman:podman chromium:chromium runc:runc netavark:netavark iptables:iptables debootstrap:debootstrap nft:nftables ip:iproute2 \
        curl:curl openssl:openssl nginx:nginx-light faketime:faketime strace:strace softhsm2-util:softhsm2 shellcheck:shellcheck; do
        for dir in $(echo "$PATH:/usr/sbin:/sbin:/usr/lib/podman" | sed 's/:/ /g'); do
            [ ! -x "$dir/${pair%%:*}" ] || continue 2
        done
        missing="$missing ${pair#*:}"
    done
    # ccm and moto are installed with it.
    python3 -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
    if [ -z "$missing" ]; then
        return
    fi
    if ! command -v apt-get >/dev/null || [ "$(id -u)" != 0 ]; then
        say "tests that need one of these will be skipped:$missing"
        return
    fi
    say "installing for the tests:$missing"
    # What go remembers of tests is of a computer without them: that they were skipped.
    go clean -testcache
    rc=${POLICY_RC_D:-/usr/sbin/policy-rc.d}
    # One that an earlier set-up could not remove, for it was killed, is ours.
    if [ ! -e "$rc" ] || grep -q '^# crossring setup' "$rc"; then
        policy=$rc
        if printf '#!/bin/sh\n# crossring setup\nexit 101\n' 2>/dev/null >"$rc"; then
            chmod 755 "$rc"
        else
            policy=
        fi
    fi
    # shellcheck disable=SC2086 # a list of words
    {
        apt-get -qq -o DPkg::Lock::Timeout=300 update &&
            env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends $missing
    } >"$work/apt.log" 2>&1 || {
        tail -n 5 "$work/apt.log" >&2
        say "tests that need one of these will be skipped:$missing"
    }
    [ -z "$policy" ] || rm -f "$policy"
    policy=
    stage "programs for the tests" "$t"
}

# jars VERSION fetches what crossring will ask mvn for. What crossring has in
# its own cache it will not ask for again.
jars() {
    t=$(date +%s)
    if [ -f "${XDG_CACHE_HOME:-$HOME/.cache}/crossring/jars/$1/.verified" ]; then
        say "jars of cassandra $1: cached"
        return
    fi
    MAVEN_OPTS="${MAVEN_OPTS:-} -XX:-UsePerfData" \
        mvn -B -ntp -f "internal/jars/poms/$1.xml" dependency:copy-dependencies \
        "-DoutputDirectory=$work/jars-$1" >"$work/mvn.log" 2>&1 || {
        grep ERROR "$work/mvn.log" | head -n 3 >&2
        fail 7 "could not fetch the jars of cassandra $1" "check the network and the proxy in ~/.m2/settings.xml, then run the same command again"
    }
    rm -rf "$work/jars-$1"
    stage "jars of cassandra $1" "$t"
}

# build passes a SIGTERM on, so that nothing compiles on after a failure.
build() {
    t=$(date +%s)
    make -s build &
    make_pid=$!
    trap 'kill "$make_pid" 2>/dev/null; exit 143' TERM
    wait "$make_pid" || exit 1
    stage "build of bin/crossring" "$t"
}

command -v go >/dev/null || fail 7 "go is not in PATH" "install Go 1.26 or newer"
build >"$work/build.log" 2>&1 &
build_pid=$!

if [ $# -gt 0 ] || [ -n "$race" ]; then
    prerequisites
fi
[ -z "$tests" ] || tools
for version in "$@"; do
    jars "$version"
done

wait "$build_pid"
built=$?
build_pid=
cat "$work/build.log" >&2
[ "$built" = 0 ] || fail 1 "the build failed"
stage all "$begun"
