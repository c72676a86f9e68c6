package table

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"

	"tw2parquet/pipeline/bug"
	"tw2parquet/sink/dataset"
	"tw2parquet/sink/store"
)

// The actions of a Delta log (the format's PROTOCOL.md), as far as they matter here.
type (
	deltaAction struct {
		CommitInfo json.RawMessage `json:"commitInfo,omitempty"`
		Protocol   *deltaProtocol  `json:"protocol,omitempty"`
		MetaData   *deltaMeta      `json:"metaData,omitempty"`
		Txn        *deltaTxn       `json:"txn,omitempty"`
		Add        *deltaAdd       `json:"add,omitempty"`
		Remove     *deltaRemove    `json:"remove,omitempty"`
	}
	deltaProtocol struct {
		MinReader      int      `json:"minReaderVersion"`
		MinWriter      int      `json:"minWriterVersion"`
		ReaderFeatures []string `json:"readerFeatures,omitempty"`
		WriterFeatures []string `json:"writerFeatures,omitempty"`
	}
	deltaMeta struct {
		ID               string      `json:"id"`
		Name             string      `json:"name,omitempty"`
		Description      string      `json:"description,omitempty"`
		Format           deltaFormat `json:"format"`
		SchemaString     string      `json:"schemaString"`
		PartitionColumns []string    `json:"partitionColumns"`
		Configuration    pairs       `json:"configuration"`
		CreatedTime      *int64      `json:"createdTime,omitempty"`
	}
	deltaFormat struct {
		Provider string `json:"provider"`
		Options  pairs  `json:"options"`
	}
	deltaTxn struct {
		AppID       string `json:"appId"`
		Version     int64  `json:"version"`
		LastUpdated *int64 `json:"lastUpdated,omitempty"`
	}
	deltaAdd struct {
		Path             string `json:"path"` // encoded as in a URL
		PartitionValues  pairs  `json:"partitionValues"`
		Size             int64  `json:"size"`
		ModificationTime int64  `json:"modificationTime"`
		DataChange       bool   `json:"dataChange"`
		Stats            string `json:"stats,omitempty"`
		Tags             pairs  `json:"tags,omitempty"`
	}
	deltaRemove struct {
		Path                 string `json:"path"`
		DeletionTimestamp    int64  `json:"deletionTimestamp"`
		DataChange           bool   `json:"dataChange"`
		ExtendedFileMetadata bool   `json:"extendedFileMetadata"`
		PartitionValues      pairs  `json:"partitionValues,omitempty"`
		Size                 int64  `json:"size,omitempty"`
	}
)

// deltaLog is a table as its log says it is.
type deltaLog struct {
	store   store.Store
	version int64 // of the newest commit; -1: there is no table
	base    int64 // of the checkpoint that was read; -1: none
	proto   deltaProtocol
	meta    deltaMeta
	txns    map[string]deltaTxn
	active  map[string]deltaAdd    // by path, decoded
	removed map[string]deltaRemove // the same
}

const (
	maxCommitBytes     = 256 << 20 // others may rewrite whole tables in one commit
	maxCheckpointBytes = 1 << 30
	logReaders         = 16
)

var (
	commitPattern     = regexp.MustCompile(`^(\d{20})\.json$`)
	checkpointPattern = regexp.MustCompile(`^(\d{20})\.checkpoint(?:\.(\d{10})\.(\d{10}))?\.parquet$`)
)

func commitName(version int64) string { return fmt.Sprintf("%020d.json", version) }

func (l *deltaLog) damaged(name string, err error) error {
	return &Error{Reason: Damaged, Err: err, Message: fmt.Sprintf("the log of the Delta table cannot be read: %s: %v", store.Printable(l.store.Path(path.Join(dataset.DeltaLog, name))), err),
		Hint: "nothing was changed; repair the table, or remove all of " + dataset.DeltaLog + " if nobody needs the table"}
}

// readDelta reads the newest state of the table.
func readDelta(ctx context.Context, s store.Store) (*deltaLog, error) {
	l := &deltaLog{store: s, version: -1, base: -1, txns: map[string]deltaTxn{}, active: map[string]deltaAdd{}, removed: map[string]deltaRemove{}}
	commits := map[int64]store.Entry{}
	checkpoints := map[int64][]store.Entry{} // of one version may be several, each of some parts
	parts := map[int64]int{}
	for e, err := range s.List(ctx, dataset.DeltaLog+"/") {
		if err != nil {
			return nil, err
		}
		base := path.Base(e.Name)
		if path.Dir(e.Name) != dataset.DeltaLog || !e.Regular {
			continue
		}
		if m := commitPattern.FindStringSubmatch(base); m != nil {
			v, err := strconv.ParseInt(m[1], 10, 64)
			if err == nil {
				commits[v] = e
				l.version = max(l.version, v)
			}
		}
		if m := checkpointPattern.FindStringSubmatch(base); m != nil {
			v, err := strconv.ParseInt(m[1], 10, 64)
			if err != nil {
				continue
			}
			if m[2] == "" { // whole: any others do not matter
				checkpoints[v], parts[v] = []store.Entry{e}, 1
			} else if n, err := strconv.Atoi(m[3]); err == nil && parts[v] != 1 {
				checkpoints[v], parts[v] = append(checkpoints[v], e), n
			}
		}
	}
	for _, v := range slices.Backward(slices.Sorted(maps.Keys(checkpoints))) {
		if len(checkpoints[v]) != parts[v] {
			continue
		}
		for _, e := range checkpoints[v] {
			if err := l.readCheckpoint(ctx, e); err != nil {
				return nil, err
			}
		}
		l.base, l.version = v, max(l.version, v)
		break
	}
	return l, l.readCommits(ctx, commits)
}

// readCommits takes in the commits after the checkpoint.
func (l *deltaLog) readCommits(ctx context.Context, commits map[int64]store.Entry) error {
	texts := make([][]byte, l.version-l.base)
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(logReaders)
	for i := range texts {
		v := l.base + 1 + int64(i)
		e, ok := commits[v]
		if !ok {
			return l.damaged(commitName(v), fs.ErrNotExist)
		}
		if e.Size > maxCommitBytes {
			return l.damaged(commitName(v), fmt.Errorf("%d bytes are too many", e.Size))
		}
		group.Go(func() error {
			return bug.Guard(func() error {
				texts[i] = make([]byte, e.Size)
				return l.store.ReadAt(gctx, e.Name, texts[i], 0)
			})
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	for i, text := range texts {
		if err := l.take(text); err != nil {
			return l.damaged(commitName(l.base+1+int64(i)), err)
		}
	}
	return nil
}

// update takes in what was committed meanwhile.
func (l *deltaLog) update(ctx context.Context) error {
	for {
		name := commitName(l.version + 1)
		text, err := store.ReadRecord(ctx, l.store, path.Join(dataset.DeltaLog, name), maxCommitBytes)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case errors.Is(err, store.ErrUnfit):
			return l.damaged(name, err)
		case err != nil:
			return err
		}
		if err := l.take(text); err != nil {
			return l.damaged(name, err)
		}
		l.version++
	}
}

// take takes in a commit.
func (l *deltaLog) take(text []byte) error {
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		var a deltaAction
		if err := json.Unmarshal(line, &a); err != nil {
			return err
		}
		if err := l.apply(&a); err != nil {
			return err
		}
	}
	return nil
}

func (l *deltaLog) apply(a *deltaAction) error {
	switch {
	case a.Protocol != nil:
		l.proto = *a.Protocol
	case a.MetaData != nil:
		l.meta = *a.MetaData
	case a.Txn != nil:
		l.txns[a.Txn.AppID] = *a.Txn
	case a.Add != nil:
		name, err := url.PathUnescape(a.Add.Path)
		if err != nil {
			return err
		}
		l.active[name] = *a.Add
		delete(l.removed, name)
	case a.Remove != nil:
		name, err := url.PathUnescape(a.Remove.Path)
		if err != nil {
			return err
		}
		delete(l.active, name)
		l.removed[name] = *a.Remove
	}
	return nil
}

// features that a writer of plain files and columns keeps without doing anything.
var harmlessFeatures = []string{"appendOnly", "invariants"}

// check tells whether this program can write to the table.
func (l *deltaLog) check() error {
	feature := func(what string) error {
		return &Error{Reason: Feature, Message: "the Delta table uses " + what + ", which this program does not write",
			Hint: "add the files with the engine that made the table so; tw2parquet views and the files themselves need no table"}
	}
	p := l.proto
	for _, f := range append(slices.Clone(p.WriterFeatures), p.ReaderFeatures...) {
		if !slices.Contains(harmlessFeatures, f) {
			return feature("the feature " + f)
		}
	}
	switch {
	case p.MinWriter > 2 && p.MinWriter != 7, p.MinReader > 1 && p.MinReader != 3:
		return feature(fmt.Sprintf("version %d of the protocol for readers and %d for writers", p.MinReader, p.MinWriter))
	case len(l.meta.PartitionColumns) != 1 || l.meta.PartitionColumns[0] != partitionColumn:
		return &Error{Reason: Types, Message: fmt.Sprintf("the Delta table is partitioned by %q, and the files by [%q]", l.meta.PartitionColumns, partitionColumn),
			Hint: "remove all of " + dataset.DeltaLog + " if nobody needs the table; it is made anew"}
	}
	return nil
}

// appendOnly tells whether files may only be added.
func (l *deltaLog) appendOnly() bool {
	v := l.meta.Configuration["delta.appendOnly"]
	return v != nil && strings.EqualFold(*v, "true")
}

// forgets tells whether the table may have forgotten which runs it has.
func (l *deltaLog) forgets() bool {
	return l.meta.Configuration["delta.setTransactionRetentionDuration"] != nil
}
