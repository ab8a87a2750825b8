package sshhost

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
)

// shellCall makes a line that runs a script with arguments and leaves it
// standard input.
func shellCall(script string, args ...string) string {
	line := "sh -c " + Quote("set -eu\n"+script) + " sh"
	for _, a := range args {
		line += " " + Quote(a)
	}
	return line
}

func octal(mode fs.FileMode) string { return "0" + strconv.FormatUint(uint64(mode.Perm()), 8) }

const (
	// beginScript says where to go on: "done", or the size of what is there, and
	// "gzip" where that can be had. Root writes only where nobody else can: another's
	// directory may have a link in the file's place.
	beginScript = `mkdir -p -m 755 "$(dirname "$1")"
if [ "$(id -u)" = 0 ]; then
  d=$(dirname "$1")
  case $(stat -L -c '%u %g %A' "$d") in "0 0 "????????-*) ;; "0 "*" "?????-??-*) ;; *) echo "$d can be changed by others than root: root writes nothing there" >&2; exit 1 ;; esac
fi
if [ -f "$1" ] && [ ! -L "$1" ] && echo "$2  $1" | sha256sum -c --status 2>/dev/null; then chmod "$3" "$1"; echo done; exit; fi
[ ! -L "$4" ] || rm -f "$4"
if [ -f "$4" ]; then stat -c %s "$4"; else echo 0; fi
if command -v gzip >/dev/null; then echo gzip; fi`
	appendScript  = `umask 077; cat >>"$1"`
	inflateScript = `umask 077; gzip -dc >>"$1"`
	finishScript  = `echo "$2  $4" | sha256sum -c --status || { rm -f "$4"; exit 3; }
chmod "$3" "$4"
mv -fT "$4" "$1"`
)

// BrokenError says that a file was not what it should be after it had arrived.
type BrokenError struct{ Host, Path string }

func (e *BrokenError) Error() string {
	return fmt.Sprintf("upload %s to %s: its checksum is wrong after the transfer", e.Path, e.Host)
}

// Upload copies a big file of this computer, with root's rights. It goes on
// where an earlier one of the same bytes was cut off, and begins again after a
// lost connection; a file that is there already is not sent, and one that gets
// smaller by it is compressed on its way. The file has its name only when it is
// whole. progress, if not nil, hears of bytes that arrived
// out of all.
func (c *Client) Upload(ctx context.Context, local, path string, mode fs.FileMode, progress func(done, total int64)) error {
	f, err := os.Open(local)
	if err != nil {
		return fmt.Errorf("upload: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	size, err := io.Copy(h, f)
	if err != nil {
		return fmt.Errorf("upload: read %s: %w", local, err)
	}
	sum := hex.EncodeToString(h.Sum(nil))
	if progress == nil {
		progress = func(int64, int64) {}
	}
	const tries = 4
	for i := 1; ; i++ {
		err := c.upload(ctx, f, size, sum, path, mode, progress)
		var lost *LostError
		var broken *BrokenError
		if err == nil || i == tries || ctx.Err() != nil || !errors.As(err, &lost) && !errors.As(err, &broken) {
			return err
		}
	}
}

func (c *Client) upload(ctx context.Context, f io.ReaderAt, size int64, sum, path string, mode fs.FileMode, progress func(done, total int64)) error {
	name := "upload " + path
	part := path + "." + sum[:12] + ".part"
	begin, err := c.Run(ctx, Command{Name: name, Line: shellCall(beginScript, path, sum, octal(mode), part), Root: true})
	if err != nil {
		return err
	}
	answer, gz, _ := strings.Cut(strings.TrimSpace(begin.Out), "\n")
	if answer == "done" {
		progress(size, size)
		return nil
	}
	at, err := strconv.ParseInt(answer, 10, 64)
	if err != nil {
		return fmt.Errorf("%s to %s: unexpected answer %q", name, c, answer)
	}
	if at < size {
		in := &counter{r: io.NewSectionReader(f, at, size-at), done: at, total: size, progress: progress}
		cmd := Command{Name: name, Line: shellCall(appendScript, part), Root: true, In: in}
		if gz != "" && shrinks(f, at, size) {
			packed := compressed(in)
			defer packed.Close()
			cmd.Line, cmd.In = shellCall(inflateScript, part), packed
		}
		_, err := c.Run(ctx, cmd)
		in.stop()
		if err != nil {
			return err
		}
	}
	_, err = c.Run(ctx, Command{Name: name, Line: shellCall(finishScript, path, sum, octal(mode), part), Root: true})
	var exit *ExitError
	if errors.As(err, &exit) && exit.Status == 3 {
		return &BrokenError{Host: c.String(), Path: path}
	}
	return err
}

// shrinks says whether compressing what is left of a file is worth its while: a
// piece of its middle loses a fifth at least. Archives do not, programs do.
func shrinks(f io.ReaderAt, at, size int64) bool {
	const piece = 256 << 10
	var out sizeOf
	z, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err != nil {
		return false
	}
	n, err := io.Copy(z, io.NewSectionReader(f, (at+size)/2, piece))
	return err == nil && z.Close() == nil && int64(out) < n*4/5
}

// sizeOf counts what is written to it.
type sizeOf int64

func (s *sizeOf) Write(p []byte) (int, error) {
	*s += sizeOf(len(p))
	return len(p), nil
}

// compressed is r as gzip, fast rather than small: what is cut off its end leaves a
// beginning of r, from which an upload goes on. Closed, it reads no more of r.
func compressed(r io.Reader) io.ReadCloser {
	const packet = 32 << 10 // of SSH; gzip alone writes some 200 bytes at a time
	out, in := io.Pipe()
	go func() {
		b := bufio.NewWriterSize(in, packet)
		z, err := gzip.NewWriterLevel(b, gzip.BestSpeed)
		if err == nil {
			_, err = io.Copy(z, r)
			err = cmp.Or(err, z.Close(), b.Flush())
		}
		in.CloseWithError(err)
	}()
	return out
}

// counter tells how much has been read, until it is stopped.
type counter struct {
	r           io.Reader
	mu          sync.Mutex
	stopped     bool
	done, total int64
	progress    func(done, total int64)
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done += int64(n)
	if n > 0 && !c.stopped {
		c.progress(c.done, c.total)
	}
	return n, err
}

// stop is for a command that ended before it had read all: what feeds it may
// still be at it.
func (c *counter) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stopped = true
}
