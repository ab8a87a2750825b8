package sshhost

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"crossring/internal/deploy/sshhost/sshdtest"
)

// What a script is handed at its standard input stands in no list of processes.
func TestScriptIn(t *testing.T) {
	c := client(t, sshdtest.Start(t, "127.0.0.1"))
	secret := []byte("one\x00two it's a secret\n")
	out, err := c.ScriptIn(limited(t), "take it", `cat; echo; tr '\0' ' ' </proc/$$/cmdline; tr '\0' ' ' </proc/$PPID/cmdline; echo "$1"`, secret, "an argument")
	given, seen, _ := strings.Cut(out, "\n\n")
	if err != nil || given+"\n" != string(secret) || strings.Contains(seen, "secret") || !strings.HasSuffix(seen, "an argument\n") {
		t.Errorf("%q, %v", out, err)
	}
	var exit *ExitError
	if _, err := c.ScriptIn(limited(t), "fail", "cat >/dev/null; false; true", secret); !errors.As(err, &exit) || exit.Status != 1 {
		t.Errorf("a command that fails does not end the script: %v", err)
	}
}

// Root writes nothing where somebody else may put a link in the file's place.
func TestUploadAsRootIntoADirectoryOfOthers(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("not possible here: only root can be led astray")
	}
	c := client(t, sshdtest.Start(t, "127.0.0.1"))
	from, data := big(t, 1<<16)
	victim := filepath.Join(t.TempDir(), "victim")
	if err := os.WriteFile(victim, []byte("root's"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, open := range map[string]func(dir string) error{
		"another's":   func(dir string) error { return os.Chown(dir, 65534, 0) },
		"everybody's": func(dir string) error { return os.Chmod(dir, 0o777|os.ModeSticky) },
		"a group's":   func(dir string) error { return errors.Join(os.Chown(dir, 0, 65534), os.Chmod(dir, 0o775)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "dir")
			if err := errors.Join(os.Mkdir(dir, 0o755), open(dir)); err != nil {
				t.Fatal(err)
			}
			sum := sha256.Sum256(data)
			for _, name := range []string{"file", "file." + hex.EncodeToString(sum[:])[:12] + ".part"} {
				if err := os.Symlink(victim, filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
			err := c.Upload(limited(t), from, filepath.Join(dir, "file"), 0o644, nil)
			var exit *ExitError
			if !errors.As(err, &exit) || !strings.Contains(exit.Stderr, "can be changed by others") {
				t.Errorf("%v", err)
			}
			info, err := os.Stat(victim)
			if got, _ := os.ReadFile(victim); err != nil || string(got) != "root's" || info.Mode() != 0o600 {
				t.Errorf("the file that a link led to is now %d bytes, %v (%v)", len(got), info, err)
			}
		})
	}
}

// big is a file of random bytes.
func big(t *testing.T, size int) (path string, data []byte) {
	t.Helper()
	data = make([]byte, size)
	rand.Read(data)
	path = filepath.Join(t.TempDir(), "big")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, data
}

func TestUpload(t *testing.T) {
	c := client(t, sshdtest.Start(t, "127.0.0.1"))
	from, data := big(t, 20<<20)
	to := filepath.Join(t.TempDir(), "deep", "er", "file")
	var sent int64
	count := func(done, total int64) { sent++ }
	if err := c.Upload(limited(t), from, to, 0o755, count); err != nil {
		t.Fatal(err)
	}
	same(t, to, data)
	if sent < 2 {
		t.Errorf("progress was told %d times", sent)
	}
	sent = 0
	if err := c.Upload(limited(t), from, to, 0o755, count); err != nil || sent != 1 {
		t.Errorf("a file that is there was sent again: %d reports, %v", sent, err)
	}
}

func same(t *testing.T, path string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s: %d bytes, want %d, the same: %t (%v)", path, len(got), len(want), bytes.Equal(got, want), err)
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "*.part")); left != nil {
		t.Errorf("left: %v", left)
	}
}

// words is a file that compresses to some 60 %: random bytes in hexadecimal.
func words(t *testing.T, size int) (path string, data []byte) {
	t.Helper()
	path, data = big(t, size/2)
	data = hex.AppendEncode(nil, data)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, data
}

func TestUploadCompressesWhatShrinks(t *testing.T) {
	s := sshdtest.Start(t, "127.0.0.1")
	for _, kind := range []struct {
		name        string
		file        func(*testing.T, int) (string, []byte)
		least, most float64 // bytes on the line for each of the file's
	}{{"random bytes", big, 1, 1.2}, {"words", words, 0.4, 0.8}} {
		t.Run(kind.name, func(t *testing.T) {
			link := newLink(t, s)
			c := client(t, s, func(cfg *Config) { cfg.Address, cfg.Port = link.host, link.port })
			from, data := kind.file(t, 4<<20)
			to := filepath.Join(t.TempDir(), "file")
			last := int64(0)
			if err := c.Upload(limited(t), from, to, 0o644, func(done, _ int64) { last = done }); err != nil {
				t.Fatal(err)
			}
			same(t, to, data)
			if last != int64(len(data)) {
				t.Errorf("progress ended at %d of %d", last, len(data))
			}
			if per := float64(link.sent.Load()) / float64(len(data)); per < kind.least || per > kind.most {
				t.Errorf("%.2f bytes on the line for each byte, want %.2f to %.2f", per, kind.least, kind.most)
			}
		})
	}
}

// Some machines have no gzip, and say so before anything is sent.
func TestBeginScriptWithoutGzip(t *testing.T) {
	c := client(t, sshdtest.Start(t, "127.0.0.1"))
	bin, to := t.TempDir(), filepath.Join(t.TempDir(), "file")
	for _, tool := range []string{"sh", "mkdir", "dirname", "stat", "sha256sum"} {
		path, err := exec.LookPath(tool)
		if err == nil {
			err = os.Symlink(path, filepath.Join(bin, tool))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	line := shellCall(beginScript, to, "no sum", "0600", to+".part")
	with, err := c.Run(limited(t), Command{Line: line})
	if err != nil || with.Out != "0\ngzip\n" {
		t.Errorf("with gzip: %q, %v", with.Out, err)
	}
	without, err := c.Run(limited(t), Command{Line: "PATH=" + Quote(bin) + "; export PATH; " + line})
	if err != nil || without.Out != "0\n" {
		t.Errorf("without gzip: %q, %v", without.Out, err)
	}
}

func TestUploadGoesOnAfterALostConnection(t *testing.T) {
	t.Run("random bytes", func(t *testing.T) { testLostConnection(t, big) })
	t.Run("words", func(t *testing.T) { testLostConnection(t, words) })
}

func testLostConnection(t *testing.T, file func(*testing.T, int) (string, []byte)) {
	s := sshdtest.Start(t, "127.0.0.1")
	link := newLink(t, s)
	c := client(t, s, func(cfg *Config) { cfg.Address, cfg.Port = link.host, link.port })
	// Half of it, compressed too, is more than SSH's window of 2 MB: some has arrived.
	from, data := file(t, 16<<20)
	to := filepath.Join(t.TempDir(), "file")
	cut, late, begin := false, int64(0), int64(-1)
	err := c.Upload(limited(t), from, to, 0o644, func(done, total int64) {
		if done > total/2 && !cut {
			cut = true
			before := c.live
			link.cut()
			<-before.over // what this end still reads goes nowhere
			late = done
		} else if cut && done <= late && begin < 0 {
			begin = done
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	same(t, to, data)
	if !cut || begin <= 32<<10 {
		t.Errorf("the connection was cut: %t, at %d; the transfer then began at %d", cut, late, begin)
	}
}

func TestAPartOfOtherBytesIsNotTakenForOurs(t *testing.T) {
	c := client(t, sshdtest.Start(t, "127.0.0.1"))
	from, data := big(t, 1<<20)
	to := filepath.Join(t.TempDir(), "file")
	if err := c.Upload(limited(t), from, to, 0o644, nil); err != nil {
		t.Fatal(err)
	}
	// What a cut-off transfer leaves has the checksum in its name; here its bytes are wrong.
	sum, err := c.Run(limited(t), Command{Line: "sha256sum <" + Quote(to)})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(to, to+"."+sum.Out[:12]+".part"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to+"."+sum.Out[:12]+".part", []byte("something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.Upload(limited(t), from, to, 0o644, nil); err != nil {
		t.Fatal(err)
	}
	same(t, to, data)
}

// Only the keys of the hosts that are named stay, and what is no key.
func TestKeep(t *testing.T) {
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
	file := filepath.Join(t.TempDir(), "known_hosts")
	if err := Keep(file, []string{"192.0.2.1"}); err != nil {
		t.Errorf("without a file: %v", err)
	}
	if err := os.WriteFile(file, []byte("# mine\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"} {
		if err := Hold(file, host, 22, []string{key}); err != nil {
			t.Fatal(err)
		}
	}
	if err := Keep(file, []string{"192.0.2.1", "192.0.2.3", "192.0.2.9"}); err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]bool{"192.0.2.1": true, "192.0.2.2": false, "192.0.2.3": true} {
		if held, err := Held(file, host, 22); err != nil || held != want {
			t.Errorf("%s is held: %t, %v", host, held, err)
		}
	}
	if data, err := os.ReadFile(file); err != nil || !strings.HasPrefix(string(data), "# mine\n") {
		t.Errorf("%s, %v", data, err)
	}
}
