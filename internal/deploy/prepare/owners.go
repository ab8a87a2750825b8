package prepare

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"crossring/internal/plain"
	"crossring/internal/topology"
)

// What belongs to the user that the server runs as is that user's word: a name in one
// of its directories may be a link to anywhere, and may be another thing a moment later.
// So root writes, changes and runs nothing there. Root's are the configuration and the
// state directory; what is to be read or made in a directory of the user's, the user
// reads or makes. Removing is safe: rm follows no link, and the directory that it is
// told to remove stands in one of root's.

const (
	// asScript has as: a command of the server's user, in $user; of root's where there is none.
	asScript = `as() { if [ -n "$user" ]; then runuser -u "$user" -- "$@"; else "$@"; fi; }
`
	// ourScript has ours: whether directory $1 is of cluster $id. The mark of an older
	// crossring lies in it, and is read as whoever may have written it.
	ourScript = asScript + `ours() {
  [ -f "$state/cluster" ] && [ "$(cut -d ' ' -f 1 "$state/cluster")" = "$id" ] || return 1
  if [ -f "$state/marks" ] && grep -qxF "$1" "$state/marks"; then return 0; fi
  [ -d "$1" ] && [ "$(as head -c 200 "$1/.crossring" 2>/dev/null || true)" = "$id" ]
}
`
	// takeScript has take, which makes the configuration in $1 root's where an older
	// crossring left it to user $2, and drops from it what user $2 may have put there; theirs,
	// which prints the directory at or above $1 that user $2 may change, if there is one; and
	// linked, which says no when $1 is a link that is not root's.
	takeScript = `take() {
  [ -n "$2" ] && [ -d "$1" ] && [ ! -L "$1" ] || return 0
  chown -h root:root "$1"
  chmod 755 "$1"
  find "$1" -mindepth 1 -maxdepth 1 '(' -type l -o ! -user root -o -type f -links +1 ')' -exec rm -rf '{}' +
  [ ! -d "$1/tls" ] || find "$1/tls" -mindepth 1 -maxdepth 1 -type f -links 1 -user "$2" -exec chown -h "root:$(id -gn "$2")" '{}' + -exec chmod 640 '{}' +
}
theirs() {
  [ -n "$2" ] || return 0
  _u=$(id -u "$2") || return 0
  _g=" $(id -G "$2") " _p=$(cd -P -- "$1" && pwd -P)
  while :; do
    set -- $(stat -c '%u %g %A' "$_p")
    [ "$1" != "$_u" ] || { echo "$_p"; return 0; }
    case $3 in
    ?????????[tT]*) ;;
    ????????w*) echo "$_p"; return 0 ;;
    ?????w*) case $_g in *" $2 "*) echo "$_p"; return 0 ;; esac ;;
    esac
    [ "$_p" != / ] || return 0
    _p=$(dirname "$_p")
  done
}
linked() { [ ! -L "$1" ] || [ "$(stat -c '%u %h' "$1")" = "0 1" ]; }
`
	// putScript writes a file of the configuration in $2 from standard input: root's, and
	// readable for the user's group. A connection that ends in the middle looks like an end
	// of the file: the checksum tells.
	putScript = takeScript + `user=$1 conf=$2 to=$3 sum=$4 mode=$5
umask 077
dir=$(dirname "$to")
mkdir -p -m 755 "$conf"
take "$conf" "$user"
mkdir -p -m 755 "$dir"
bad=$(theirs "$dir" "$user")
[ -z "$bad" ] || { echo "$bad"; exit 0; }
new=$(mktemp "$dir/.new.XXXXXX")
trap 'rm -f "$new"' EXIT
cat >"$new"
echo "$sum  $new" | sha256sum -c --status || { echo "the file did not arrive whole" >&2; exit 1; }
[ -z "$user" ] || chown "root:$(id -gn "$user")" "$new"
chmod "$mode" "$new"
if [ -f "$to" ] && [ ! -L "$to" ] && cmp -s "$to" "$new"; then
  [ -z "$user" ] || chown "root:$(id -gn "$user")" "$to"
  chmod "$mode" "$to"
else mv -fT "$new" "$to"; fi`

	readScript = asScript + `user=$1; as head -c 1048576 "$2" 2>/dev/null || true`
)

// TheirsError says that root would have to work where the server's user may change what
// stands there.
type TheirsError struct{ Node, Host, Path string }

func (e *TheirsError) Error() string {
	return fmt.Sprintf("%s: %s can be changed by the server's own user: root writes nothing there", e.Node, e.Path)
}

// NodeName is the node that the text names.
func (e *TheirsError) NodeName() string { return e.Node }

// Hint is the command that makes it root's.
func (e *TheirsError) Hint() string {
	return e.Host + " sudo chown root:root " + plain.Word(e.Path) + "   # and chmod 755"
}

// Put writes a file of a node's configuration. On a machine of its own it is root's, and
// the server's user may read it, whoever else mode lets in. A file that has the bytes
// already keeps its time. The error is a *TheirsError where the user could have
// root write elsewhere.
func (s Server) Put(ctx context.Context, to string, data []byte, mode fs.FileMode) error {
	u := user(s.Node)
	if u != "" {
		mode = mode&0o700 | mode&0o500>>3
	}
	sum := sha256.Sum256(data)
	out, err := s.Machine.ScriptIn(ctx, "write "+to, putScript, data,
		u, s.Node.Layout.Conf, to, hex.EncodeToString(sum[:]), "0"+strconv.FormatUint(uint64(mode.Perm()), 8))
	if err != nil {
		return err
	}
	return theirs(s.Node, out)
}

// theirs is the error that a script's answer stands for: the path of a directory.
func theirs(n topology.Node, out string) error {
	if out = strings.TrimSpace(out); out != "" {
		return &TheirsError{Node: n.Name, Host: sshTo(n), Path: out}
	}
	return nil
}

// Read reads a small file of a node as the server's user reads it; empty where there is none.
func Read(ctx context.Context, m Machine, n topology.Node, path string) ([]byte, error) {
	out, err := m.Script(ctx, "read "+path, readScript, user(n), path)
	return []byte(out), err
}

// rootDirs are the directories that stay root's: with the configuration, and around the
// user's on the disks.
func (r Request) rootDirs() []string {
	l := r.Node.Layout
	return unique(l.Conf, path.Dir(l.Data), path.Dir(l.Commitlog), path.Dir(l.SavedCaches), path.Dir(l.Hints), path.Dir(l.CDC))
}
