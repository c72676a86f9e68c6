package dataset

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"

	"tw2parquet/schema"
	"tw2parquet/sink"
	"tw2parquet/sink/store"
)

// Run is a run of an output as its listing found it. Its records are read when they are asked for.
type Run struct {
	ID string
	// Files are the Parquet files outside the state directory that are named as this run's, by directory,
	// number and revision. The manifest says which of them count.
	Files []store.Entry

	store   store.Store
	records map[string]store.Entry // by name
	number  int                    // of the manifest that counts; -1: there is none
	shut    bool                   // not all of its records could be listed

	looked   bool // the manifest was read, with one of these
	manifest *sink.Manifest
	refused  *sink.ForeignError
}

// State is what became of a run.
type State string

// The states. A run without a manifest is incomplete: it was stopped, or is being written. Whether files are
// as they were published, which Damaged denies, only Verify finds out.
const (
	Complete   State = "complete"
	Incomplete State = "incomplete"
	Unreadable State = "unreadable" // there is a manifest, and nobody knows what it says
	Damaged    State = "damaged"
	Unending   State = "reading"  // it reads a collector, and is never complete: the next start goes on
	Dropping   State = "dropping" // it is being taken away; the next drop ends that
	Dropped    State = "dropped"  // a record says what it was
)

// add takes in a record, and whatever else lies in the run's directory.
func (r *Run) add(name string, e store.Entry) {
	if path.Base(name) != name {
		return // below a directory that is not a run
	}
	r.records[name] = e
	if k, ok := sink.ManifestNumber(name); ok {
		r.number = max(r.number, k)
	}
}

// Has tells whether there is a record of that name, such as "request.json", readable or not.
func (r *Run) Has(name string) bool {
	_, ok := r.records[name]
	return ok
}

// Records are the names of everything in the run's directory, sorted.
func (r *Run) Records() []string { return slices.Sorted(maps.Keys(r.records)) }

// Report is what its writer says of the run in the manifest.
func (r *Run) Report(ctx context.Context) ([]byte, error) {
	m, err := r.Manifest(ctx)
	if err != nil || m == nil {
		return nil, cmp.Or(err, fs.ErrNotExist)
	}
	return m.Report, nil
}

// Listed is the seal of the files that the manifest lists.
func (r *Run) Listed(ctx context.Context) (string, error) {
	m, err := r.Manifest(ctx)
	if err != nil || m == nil {
		return "", cmp.Or(err, fs.ErrNotExist)
	}
	return m.Seal(), nil
}

// Found is the seal of the published files that the listing found, whether the manifest lists them or not, for a
// manifest of this version.
func (r *Run) Found() string {
	var files []sink.Sized
	for _, e := range r.Files {
		files = append(files, sink.Sized{Name: e.Name, Bytes: e.Size})
	}
	for name, e := range r.records {
		if sink.IsRejects(name) {
			files = append(files, sink.Sized{Name: e.Name, Bytes: e.Size})
		}
	}
	return sink.Seal(sink.ManifestFormat, schema.Version, files)
}

// Littered tells whether whoever wrote the run left files behind that nobody sees, or is writing them. Opening the run
// clears them; a store of objects has none.
func (r *Run) Littered() bool {
	s, ok := r.store.(interface{ Littered(dir string) bool })
	return ok && s.Littered(path.Dir(r.manifestName()))
}

// Dropped tells whether dropping the run has begun, and whether it has ended.
func (r *Run) Dropped() (begun, ended bool) {
	return r.Has(sink.DroppingRecord), r.Has(sink.DroppedRecord)
}

// ManifestNumber is the number of the manifest that counts; ok is false without one.
func (r *Run) ManifestNumber() (k int, ok bool) { return max(r.number, 0), r.number >= 0 }

// Finished tells whether there is a manifest, readable or not.
func (r *Run) Finished() bool { return r.number >= 0 }

// Record reads a record of at most limit bytes. errors.Is(err, fs.ErrNotExist) if there is none.
func (r *Run) Record(ctx context.Context, name string, limit int64) ([]byte, error) {
	e, ok := r.records[name]
	if !ok {
		return nil, fmt.Errorf("%s: %w", r.store.Path(path.Join(sink.RunDir(r.ID), name)), fs.ErrNotExist)
	}
	data, err := readSmall(ctx, r.store, e, limit)
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("read %s: %w", store.Printable(r.store.Path(e.Name)), store.Cause(err))
	}
	return data, err
}

// manifestName is the name of the manifest that counts, or would.
func (r *Run) manifestName() string { return sink.ManifestPath(r.ID, max(r.number, 0)) }

// Manifest is what the run's manifest says, nil without one. Of several the highest number counts. A
// manifest that cannot be read or was not written by this program, or by a newer one, is a
// *sink.ForeignError.
func (r *Run) Manifest(ctx context.Context) (*sink.Manifest, error) {
	if !r.looked && r.number >= 0 {
		e := r.records[path.Base(r.manifestName())]
		m, reason := decodeManifest(ctx, r, e)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if r.manifest = m; m == nil {
			r.refused = &sink.ForeignError{Path: r.store.Path(e.Name), Reason: reason}
		}
	}
	r.looked = true
	if r.refused != nil {
		return nil, r.refused
	}
	return r.manifest, nil
}

func decodeManifest(ctx context.Context, r *Run, e store.Entry) (m *sink.Manifest, reason string) {
	data, err := readSmall(ctx, r.store, e, sink.MaxManifestBytes)
	if err != nil {
		return nil, unreadable(err)
	}
	m, err = sink.DecodeManifest(data)
	switch {
	case err != nil:
		return nil, clean(err.Error())
	case m.Run != r.ID:
		return nil, "the manifest of another run"
	case newer(m.SchemaVersion) != "":
		return nil, newer(m.SchemaVersion)
	}
	return m, ""
}

// State tells what became of the run, as far as its manifest tells.
func (r *Run) State(ctx context.Context) (State, error) {
	if begun, ended := r.Dropped(); ended {
		return Dropped, nil
	} else if begun {
		return Dropping, nil
	}
	m, err := r.Manifest(ctx)
	var foreign *sink.ForeignError
	switch {
	case errors.As(err, &foreign), err == nil && m == nil && r.shut:
		return Unreadable, nil
	case err != nil:
		return "", err
	case m != nil:
		return Complete, nil
	}
	return r.open(), nil
}

// open is the state of a run that has no manifest.
func (r *Run) open() State {
	if r.Has(sink.ReadingRecord) {
		return Unending
	}
	return Incomplete
}

// readSmall reads a whole file of at most limit bytes.
func readSmall(ctx context.Context, s store.Store, e store.Entry, limit int64) ([]byte, error) {
	f, err := store.Open(ctx, s, e)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if e.Size > limit {
		return nil, fmt.Errorf("it has %d bytes, more than the limit of %d", e.Size, limit)
	}
	data := make([]byte, e.Size)
	if n, err := f.ReadAt(data, 0); n < len(data) {
		return nil, short(err)
	}
	return data, nil
}
