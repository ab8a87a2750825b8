// Package journal keeps what is about to be done, and what came of it, in a
// file that outlives a crash. An intent is on disk before the act it announces;
// an intent without a result is what the next command has to look into.
//
// The file has one JSON object per line and only grows. One process writes it
// at a time, which its owner's lock must see to; the journal notices and
// refuses when another one did.
package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"crossring/internal/plain"
	"crossring/internal/safely"
	"crossring/internal/topology"
)

// What an entry says.
const (
	PhaseIntent = "intent" // about to be done
	PhaseResult = "result" // done, or failed: see Entry.Error
)

// Entry is one line.
type Entry struct {
	Schema string          `json:"schema"`
	Seq    int             `json:"seq"` // from 1, without gaps
	Time   time.Time       `json:"time"`
	Phase  string          `json:"phase"`           // PhaseIntent or PhaseResult
	Kind   string          `json:"kind"`            // what sort of act: "start", "run-instances"
	ID     string          `json:"id"`              // which one: a node's name, a client token
	Data   json.RawMessage `json:"data,omitempty"`  // the act's own
	Error  string          `json:"error,omitempty"` // of a result that is a failure
}

// Journal is an open file. It may be used by several goroutines.
type Journal struct {
	path string
	torn []byte

	mu      sync.Mutex
	file    *os.File
	size    int64
	seq     int
	pending []Entry
	broken  error // set once the end of the file is not known any more
}

// CorruptError says that a line is not an entry, or not the one that belongs there, in a
// way that no crash of ours leaves it: nothing is guessed.
type CorruptError struct {
	Path   string
	Line   int // from 1
	Reason string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("journal %s, line %d: %s", e.Path, e.Line, e.Reason)
}

// Hint is the command that removes the cluster whose directory the journal is in.
func (e *CorruptError) Hint() string {
	return plain.Command("crossring", "down", filepath.Base(filepath.Dir(e.Path)))
}

// ErrChanged is returned when the file is not as this process left it.
var ErrChanged = errors.New("changed by another process")

// Open reads a journal, or makes an empty one in a directory that exists, and
// returns its entries in order. A last line that a crash cut short is taken
// off: its append never returned, so nothing was done on its word. The error is a *CorruptError,
// a *NewerError for a journal that is left as it is, or of the file system.
func Open(path string) (*Journal, []Entry, error) {
	_, err := os.Lstat(path)
	fresh := errors.Is(err, fs.ErrNotExist)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("opening journal: %w", err)
	}
	j := &Journal{path: path, file: file}
	entries, err := j.load(fresh)
	if err != nil {
		return nil, nil, errors.Join(err, file.Close())
	}
	return j, entries, nil
}

func (j *Journal) load(fresh bool) ([]Entry, error) {
	text, err := io.ReadAll(j.file)
	if err != nil {
		return nil, fmt.Errorf("reading journal: %w", err)
	}
	entries, size, err := parse(j.path, text)
	if err != nil {
		return nil, err
	}
	j.size = int64(size)
	j.seq = len(entries)
	for _, e := range entries {
		j.note(e)
	}
	if size < len(text) {
		j.torn = text[size:]
		if err := j.file.Truncate(j.size); err != nil {
			return nil, fmt.Errorf("cutting the torn end off journal: %w", err)
		}
		if err := j.file.Sync(); err != nil {
			return nil, fmt.Errorf("syncing journal: %w", err)
		}
	}
	// Also for a file that was there but empty: the crash may have come before
	// its name was safe.
	if fresh || len(text) == 0 {
		if err := safely.Names(filepath.Dir(j.path)); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

// parse returns the whole entries and how many bytes they take. What follows
// the last newline is torn; so is a last line that is no JSON, for a file
// system may have written a line's end before its middle. JSON that is no entry is
// something else: a line of a newer crossring, or damage.
func parse(path string, text []byte) (entries []Entry, size int, err error) {
	for size < len(text) {
		line, rest, ended := bytes.Cut(text[size:], []byte("\n"))
		e, err := decode(path, line)
		if IsNewer(err) {
			return nil, 0, err
		}
		var damaged *DamagedError
		if !ended || err != nil && len(rest) == 0 && !errors.As(err, &damaged) {
			break
		}
		if err == nil && e.Seq != len(entries)+1 {
			err = fmt.Errorf("entry %d where %d belongs", e.Seq, len(entries)+1)
		}
		if err != nil {
			reason := err.Error()
			if damaged != nil {
				reason = damaged.Reason
			}
			return nil, 0, &CorruptError{Path: path, Line: len(entries) + 1, Reason: reason}
		}
		entries = append(entries, e)
		size += len(line) + 1
	}
	return entries, size, nil
}

// decode reads a line. The error is a *NewerError, a *DamagedError for JSON that is no
// entry, or of JSON for what is none.
func decode(path string, line []byte) (Entry, error) {
	var e Entry
	if !json.Valid(line) {
		return e, errors.New("not an entry: no JSON")
	}
	if err := json.Unmarshal(line, &e); err != nil {
		return Entry{}, &DamagedError{Path: path, Reason: "not an entry: " + err.Error()}
	}
	if err := CheckSchema(path, e.Schema); err != nil {
		return Entry{}, err
	}
	if e.Phase != PhaseIntent && e.Phase != PhaseResult {
		return Entry{}, &DamagedError{Path: path, Reason: fmt.Sprintf("not an entry: phase %q", e.Phase)}
	}
	if !sumMatches(line) {
		return Entry{}, &DamagedError{Path: path, Reason: "not as it was written: its checksum does not match"}
	}
	return e, nil
}

// The checksum of a line is its last key, over the line without that key. Lines of older
// journals have none.
const sumKey = `,"sum":"`

func withSum(line []byte) []byte {
	return fmt.Appendf(line[:len(line)-1:len(line)-1], `%s%08x"}`, sumKey, crc32.ChecksumIEEE(line))
}

func sumMatches(line []byte) bool {
	const tail = len(sumKey) + len(`00000000"}`)
	at := len(line) - tail
	if at < 0 || !bytes.HasPrefix(line[at:], []byte(sumKey)) {
		var e struct {
			Sum *string `json:"sum"`
		}
		return json.Unmarshal(line, &e) == nil && e.Sum == nil
	}
	plain := append(line[:at:at], '}')
	return bytes.Equal(withSum(plain), line)
}

// Intent records that something is about to be done, and returns once that is
// on disk. The same kind and id may not be pending already.
func (j *Journal) Intent(kind, id string, data any) error {
	return j.append(PhaseIntent, kind, id, data, nil)
}

// Result records what came of a pending intent: data, or the failure. It
// returns once that is on disk.
func (j *Journal) Result(kind, id string, data any, failure error) error {
	return j.append(PhaseResult, kind, id, data, failure)
}

// Pending lists the intents without a result, oldest first.
func (j *Journal) Pending() []Entry {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]Entry(nil), j.pending...)
}

// Close closes the file. What was recorded is on disk already.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.file.Close(); err != nil {
		return fmt.Errorf("closing journal: %w", err)
	}
	return nil
}

func (j *Journal) append(phase, kind, id string, data any, failure error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.add(phase, kind, id, data, failure); err != nil {
		return fmt.Errorf("recording the %s of %s %s in journal %s: %w", phase, kind, id, j.path, err)
	}
	return nil
}

func (j *Journal) add(phase, kind, id string, data any, failure error) error {
	if j.broken != nil {
		return j.broken
	}
	if open := j.find(kind, id) >= 0; open && phase == PhaseIntent {
		return errors.New("it is pending already")
	} else if !open && phase == PhaseResult {
		return errors.New("no intent is pending")
	}
	e := Entry{Schema: topology.Schema, Seq: j.seq + 1, Time: time.Now().UTC(), Phase: phase, Kind: kind, ID: id}
	if data != nil {
		raw, err := json.Marshal(data)
		if err != nil {
			return err
		}
		e.Data = raw
	}
	if failure != nil {
		e.Error = failure.Error()
	}
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if err := j.write(append(withSum(line), '\n')); err != nil {
		return err
	}
	j.seq++
	j.note(e)
	return nil
}

// write appends one line and syncs it.
func (j *Journal) write(line []byte) error {
	info, err := j.file.Stat()
	if err != nil {
		return err
	}
	if info.Size() != j.size {
		j.broken = ErrChanged
		return j.broken
	}
	if _, err := j.file.Write(line); err != nil {
		// A full disk takes part of a line; without it the journal is whole.
		if cutErr := j.file.Truncate(j.size); cutErr != nil {
			j.broken = errors.Join(err, cutErr)
		}
		return err
	}
	j.size += int64(len(line))
	if err := j.file.Sync(); err != nil {
		// After a failed sync nobody knows what is on disk, and a second sync
		// would not tell.
		j.broken = err
		return err
	}
	return nil
}

// note keeps the list of pending intents.
func (j *Journal) note(e Entry) {
	i := j.find(e.Kind, e.ID)
	if i >= 0 {
		j.pending = append(j.pending[:i:i], j.pending[i+1:]...)
	}
	if e.Phase == PhaseIntent {
		j.pending = append(j.pending, e)
	}
}

func (j *Journal) find(kind, id string) int {
	for i, e := range j.pending {
		if e.Kind == kind && e.ID == id {
			return i
		}
	}
	return -1
}
