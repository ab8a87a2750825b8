package prepare

const (
	claimScript = `made=
[ -z "$4" ] || [ -e "$4" ] || made=yes
mkdir -p "$1"
chmod 755 "$1"
if [ -f "$1/cluster" ]; then
  read -r id name <"$1/cluster"
  [ "$id" = "$2" ] || echo "${name:-$id}"
  exit 0
fi
[ -z "$made" ] || : >"$1/made-root"
echo "$2 $3" >"$1/cluster"`

	userScript = `if ! id "$1" >/dev/null 2>&1; then
  useradd --system --home-dir "$2" --no-create-home --shell /usr/sbin/nologin "$1"
  echo "$1" >"$4/user"
fi
d=/etc/security/limits.d
if [ -d $d ] && [ ! -f $d/crossring.conf ]; then
  printf '# crossring %s\n%s - nofile 1048576\n%s - nproc 32768\n%s - memlock unlimited\n%s - as unlimited\n' "$3" "$1" "$1" "$1" "$1" >$d/crossring.conf
fi`

	// markScript makes directories: first $4 of them that are root's, then those of the
	// user. Each is noted in the state directory, where the user can't write. One that is
	// there, has something in it and is not noted is named, and nothing is done. A machine
	// of an older crossring has its marks in the directories, and some of root's are the user's.
	markScript = ourScript + takeScript + `id=$1 user=$2 state=$3 own=$4; shift 4
for d in "$@"; do
  if [ -d "$d" ] && [ -n "$(ls -A "$d")" ] && ! ours "$d"; then echo "$d"; exit 0; fi
done
n=0
for d in "$@"; do
  n=$((n+1))
  linked "$d" || { echo "$d"; exit 0; }
  mkdir -p "$d"
  grep -qsxF "$d" "$state/marks" || echo "$d" >>"$state/marks"
  chmod 755 "$d"
  if [ -n "$user" ]; then
    if [ $n -le $own ]; then chown root:root "$d"; else chown "$user:$(id -gn "$user")" "$d"; fi
  fi
done`

	// dirsScript makes the user's directories in root's, $2 of them, and then those in the
	// user's own, which the user makes. A link that the user has planted is named.
	dirsScript = asScript + takeScript + `user=$1 n=$2; shift 2
for d in "$@"; do
  [ -n "$d" ] || { n=$((n-1)); continue; }
  if [ $n -gt 0 ]; then
    linked "$d" || { echo "$d"; exit 0; }
    mkdir -p "$d"
    if [ -n "$user" ]; then chown "$user:$(id -gn "$user")" "$d"; fi
  else as mkdir -p "$d"; fi
  n=$((n-1))
done`

	// aptScript has apt_install: installs packages, or says why not. A machine that boots
	// for the first time brings itself up to date meanwhile. apt waits for dpkg's lock when
	// it is told to, and for that of its lists by no option; who holds it is in /proc/locks.
	aptScript = `held() {
  n=$(stat -c %i "$1" 2>/dev/null) || return 1
  grep -q ":$n " /proc/locks
}
apt_install() {
  export DEBIAN_FRONTEND=noninteractive
  if command -v cloud-init >/dev/null; then timeout 300 cloud-init status --wait >/dev/null 2>&1 || true; fi
  tries=0 waits=0
  until apt-get -o DPkg::Lock::Timeout=300 -qq update >&2; do
    if [ $waits -lt 60 ] && held /var/lib/apt/lists/lock; then waits=$((waits+1))
    else tries=$((tries+1)); [ $tries -lt 3 ] || return 1; fi
    sleep 5
  done
  apt-get -o DPkg::Lock::Timeout=300 -qq install -y --no-install-recommends "$@" >&2
}
`
	javaScript = aptScript + `least=$1 most=$2 home=$3 install=$4
fits() {
  [ -x "$1" ] || return 1
  v=$("$1" -XX:-UsePerfData -version 2>&1 | sed -n 's/.* version "\([0-9]*\)\.\{0,1\}\([0-9]*\).*/\1 \2/p' | head -n 1)
  [ -n "$v" ] || return 1
  major=${v%% *}
  [ "$major" != 1 ] || major=${v#* }
  [ "$major" -ge "$least" ] && [ "$major" -le "$most" ]
}
find() {
  if [ -n "$home" ]; then
    if fits "$home/bin/java"; then echo "$home/bin/java"; exit 0; fi
    echo "$home/bin/java is missing, or not Java $least to $most" >&2; exit 1
  fi
  j=$(command -v java || true)
  if [ -n "$j" ]; then j=$(readlink -f "$j"); if fits "$j"; then echo "$j"; exit 0; fi; fi
  for j in /usr/lib/jvm/*17*/bin/java /usr/lib/jvm/*/bin/java; do
    if fits "$j"; then readlink -f "$j"; exit 0; fi
  done
}
find
[ "$install" = yes ] || exit 0
if command -v apt-get >/dev/null; then
  apt_install openjdk-17-jre-headless
elif command -v dnf >/dev/null; then
  dnf -q -y install java-17-amazon-corretto-headless >&2 || dnf -q -y install java-17-openjdk-headless >&2
elif command -v yum >/dev/null; then
  yum -q -y install java-17-amazon-corretto-headless >&2 || yum -q -y install java-17-openjdk-headless >&2
else
  echo "no apt-get, dnf or yum to install it with" >&2; exit 1
fi
find`

	haveScript = `home=$1 what=$2 id=$3 link=$4
if [ -e "$home" ] && [ "$(cat "$home/.crossring" 2>/dev/null)" != "$id" ]; then echo "foreign $home"; exit 0; fi
if [ -e "$link" ] && [ ! -L "$link" ]; then echo "foreign $link"; exit 0; fi
if [ -L "$link" ] && [ "$(readlink "$link")" != "$home" ]; then
  t=$(readlink -f "$link"); if [ "$(cat "$t/.crossring" 2>/dev/null)" != "$id" ]; then echo "foreign $link"; exit 0; fi
fi
if [ "$(cat "$home/.pack" 2>/dev/null)" = "$what" ] && [ -L "$link" ]; then echo done; fi`

	unpackScript = `home=$1 what=$2 id=$3 link=$4 pack=$5 strip=$6
umask 022
rm -rf "$home.new"
mkdir -p "$home.new"
tar -x -f "$pack" -C "$home.new" --strip-components="$strip" --no-same-owner
mkdir -p "$home.new/agents"
if [ ! -f "$home.new/agents/jamm.jar" ]; then
  for j in "$home.new"/lib/jamm-*.jar; do if [ -f "$j" ]; then cp "$j" "$home.new/agents/jamm.jar"; fi; done
fi
echo "$id" >"$home.new/.crossring"
echo "$what" >"$home.new/.pack"
rm -rf "$home"
mv "$home.new" "$home"
ln -sfn "$home" "$link"
rm -f "$pack"`

	// A download that was cut off is gone on with. The checksum is 128 hex digits
	// for SHA-512, 64 for SHA-256.
	fetchScript = aptScript + `url=$1 to=$2 sum=$3
if ! command -v curl >/dev/null && ! command -v wget >/dev/null; then
  if command -v apt-get >/dev/null; then apt_install curl ca-certificates
  else echo "no curl and no wget to fetch with" >&2; exit 1; fi
fi
get() {
  if command -v curl >/dev/null; then curl -fsSL --retry 3 -C - -o "$2" "$1"; else wget -q -c -O "$2" "$1"; fi
}
if [ -z "$sum" ]; then
  for k in sha512 sha256; do
    rm -f "$to.sum"
    if get "$url.$k" "$to.sum" 2>/dev/null; then sum=$(tr -c '0-9a-fA-F' '\n' <"$to.sum" | grep -E '^([0-9a-fA-F]{64}|[0-9a-fA-F]{128})$' | head -n 1 || true); fi
    rm -f "$to.sum"
    [ -z "$sum" ] || break
  done
  [ -n "$sum" ] || { echo "no checksum at $url.sha512 or .sha256" >&2; exit 1; }
fi
k=sha256sum; [ ${#sum} -ne 128 ] || k=sha512sum
fits() { echo "$sum  $1" | $k -c --status 2>/dev/null; }
if fits "$to"; then echo fits; exit 0; fi
get "$url" "$to.part" >&2 || { rm -f "$to.part"; get "$url" "$to.part" >&2; }
if ! fits "$to.part"; then
  # What was there from before may be of another file.
  rm -f "$to.part"; get "$url" "$to.part" >&2
fi
if fits "$to.part"; then mv "$to.part" "$to"; echo fits; else rm -f "$to.part"; fi`

	removeScript = ourScript + `id=$1 state=$2 link=$3 unit=$4 user=$5 root=$6 home=$7; shift 7
if [ -z "$root" ] && [ -f "$unit" ] && grep -q "^# crossring $id\$" "$unit"; then
  rm -f "$unit"
  [ ! -d /run/systemd/system ] || systemctl daemon-reload
fi
if [ -L "$link" ] && [ "$(cat "$link/.crossring" 2>/dev/null)" = "$id" ]; then rm "$link"; fi
rm -rf "$home.new"
if [ "$(cat "$home/.crossring" 2>/dev/null)" = "$id" ]; then rm -rf "$home"; [ ! -e "$home" ] || echo "$home"; fi
for d in "$@"; do
  if ours "$d"; then
    # Nobody puts anything more into it.
    if [ -n "$user" ] && [ ! -L "$d" ]; then chown root "$d"; chmod 700 "$d"; fi
    rm -rf "$d"
    [ ! -e "$d" ] || echo "$d"
  fi
done
if [ -z "$root" ]; then
  f=/etc/security/limits.d/crossring.conf
  if [ -f $f ] && grep -q "^# crossring $id\$" $f; then rm -f $f; fi
  if [ -n "$user" ] && [ "$(cat "$state/user" 2>/dev/null)" = "$user" ]; then userdel "$user" 2>/dev/null || echo "user $user"; fi
fi
exit 0`

	releaseScript = `state=$1 id=$2 root=$3 made=
[ ! -f "$state/made-root" ] || made=yes
if [ -f "$state/cluster" ] && [ "$(cut -d ' ' -f 1 "$state/cluster")" = "$id" ]; then rm -rf "$state"; fi
for d in fs/* fs opt etc var/log var/lib var; do
  case "$root:$d" in :fs/*|:fs|?*:*) for e in "$root"/$d; do rmdir "$e" 2>/dev/null || true; done;; esac
done
[ -z "$made" ] || rmdir "$root" 2>/dev/null || true
exit 0`
)
