package source

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// Journal is what buying needs of the place beside the output: small records that are written once.
type Journal interface {
	// Put writes a record that does not exist yet, durable on return; errors.Is(err, fs.ErrExist) if
	// it does.
	Put(ctx context.Context, name string, data []byte) error
	// Get reads a record; errors.Is(err, fs.ErrNotExist) if there is none.
	Get(ctx context.Context, name string) ([]byte, error)
	// List returns the names that begin with prefix, sorted.
	List(ctx context.Context, prefix string) ([]string, error)
}

// The records:
//
//	collector-<k>.json       written before the collector is created: it may exist
//	intent-<k>.json          written before POST k: it may have been sent; or, void, by somebody else: it never will be
//	intent-<k>-outcome.json  what became of it, once that is known
//	task.json                the task of the run
//
// TaskRecord is there as soon as a run is bought for certain.
const TaskRecord = "task.json"

func claimRecord(k int) string   { return fmt.Sprintf("collector-%d.json", k) }
func intentRecord(k int) string  { return fmt.Sprintf("intent-%d.json", k) }
func outcomeRecord(k int) string { return fmt.Sprintf("intent-%d-outcome.json", k) }

var claimName = regexp.MustCompile(`^collector-(\d{1,9})\.json$`)

var intentName = regexp.MustCompile(`^intent-(\d{1,9})(-outcome)?\.json$`)

// Outcomes beside those of a POST: what looking found after an unclear one.
const (
	outcomeFound  outcome = "found"
	outcomeAbsent outcome = "absent"
)

// outcomeVoid is of an intent that somebody else put there, so that the run cannot be bought any more.
const outcomeVoid outcome = "void"

type intentNote struct {
	Attempt    string    `json:"attempt"` // random: who wrote it
	Run        string    `json:"run"`
	Op         string    `json:"op"`
	ServerTime time.Time `json:"server_time"`
	Outcome    outcome   `json:"outcome,omitempty"` // void, or none
}

type outcomeNote struct {
	Outcome    outcome   `json:"outcome"`
	TaskID     string    `json:"task_id,omitempty"`
	Code       int       `json:"code,omitempty"`
	HTTP       int       `json:"http,omitempty"`
	ServerTime time.Time `json:"server_time"`
}

type taskNote struct {
	ID      string    `json:"id"`
	Target  string    `json:"target"`
	Created time.Time `json:"created"`
	Adopted bool      `json:"adopted"`
}

// history is what the journal says about earlier attempts.
type history struct {
	claims  int       // highest claim of the collector
	claimed time.Time // server time of the newest
	last    int       // highest intent
	open    []int     // intents without an outcome
	absent  int       // intents that were unclear and then found to have bought nothing
	bought  bool      // an intent is known to have bought
	void    bool      // an intent is void: the run is not to be bought
	newest  time.Time // server time of the newest intent
	untimed bool      // an intent's record holds no time
	task    taskNote
}

func readHistory(ctx context.Context, j Journal) (history, error) {
	var h history
	names, err := j.List(ctx, "")
	if err != nil {
		return h, fmt.Errorf("list the journal: %w", err)
	}
	answered, intents := map[int]bool{}, []int{}
	for _, name := range names {
		if err := h.readClaim(ctx, j, name); err != nil {
			return h, err
		}
		m := intentName.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		k, err := strconv.Atoi(m[1])
		if err != nil {
			continue
		}
		h.last = max(h.last, k)
		if m[2] == "" {
			intents = append(intents, k)
			var note intentNote
			if err := get(ctx, j, name, &note); err != nil {
				return h, err
			}
			if note.Outcome == outcomeVoid {
				h.void, answered[k] = true, true
				continue
			}
			h.untimed = h.untimed || note.ServerTime.IsZero()
			if note.ServerTime.After(h.newest) {
				h.newest = note.ServerTime
			}
			continue
		}
		var note outcomeNote
		if err := get(ctx, j, name, &note); err != nil {
			return h, err
		}
		switch note.Outcome {
		case outcomeDone, outcomeFound:
			h.bought, answered[k] = true, true
			h.task.ID = note.TaskID // task.json, below, knows more
		case outcomeAbsent:
			h.absent++
			answered[k] = true
		case outcomeNotSent, outcomeRejected, outcomeLater:
			answered[k] = true
		}
	}
	for _, k := range intents {
		if !answered[k] {
			h.open = append(h.open, k)
		}
	}
	var task taskNote
	if !slices.Contains(names, TaskRecord) {
		return h, nil
	}
	switch err := get(ctx, j, TaskRecord, &task); {
	case err == nil:
		h.task = task
	case !errors.Is(err, fs.ErrNotExist):
		return h, err
	}
	return h, nil
}

func (h *history) readClaim(ctx context.Context, j Journal, name string) error {
	m := claimName.FindStringSubmatch(name)
	if m == nil {
		return nil
	}
	k, err := strconv.Atoi(m[1])
	if err != nil {
		return nil
	}
	var note intentNote
	if err := get(ctx, j, name, &note); err != nil {
		return err
	}
	h.claims = max(h.claims, k)
	if note.ServerTime.After(h.claimed) {
		h.claimed = note.ServerTime
	}
	return nil
}

// get reads a record. One that is not JSON is not as we wrote it: the error is the caller's, and
// nothing is bought on such ground.
func get(ctx context.Context, j Journal, name string, into any) error {
	data, err := j.Get(ctx, name)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		return &Error{Class: ClassForeign, Message: "the record " + name + " beside the output cannot be read",
			Hint: "restore it, or export into another place"}
	}
	return nil
}

// note writes a record; existing tells that it was there already, which is not an error here.
func note(ctx context.Context, j Journal, name string, what any) (existing bool, err error) {
	data, err := jsonText(what)
	if err != nil {
		return false, fmt.Errorf("encode %s: %w", name, err)
	}
	if err := j.Put(ctx, name, append(data, '\n')); errors.Is(err, fs.ErrExist) {
		return true, nil
	} else if err != nil {
		return false, fmt.Errorf("write %s: %w", name, err)
	}
	return false, nil
}

func attemptID() string { return rand.Text() }
