package dataset

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"time"

	"tw2parquet/schema"
	"tw2parquet/sink"
	"tw2parquet/sink/store"
)

// run is a run while its output is verified.
type run struct {
	*Run
	manifest    *sink.Manifest // nil: incomplete, or unreadable
	start, stop string
	parts       []*part
	dir         string                 // of its data files; "" before the first
	left        map[string]store.Entry // the run's files that no part has claimed yet
}

// load reads the manifest, if there is one.
func (r *run) load(ctx context.Context, v *verifier) error {
	r.left = map[string]store.Entry{}
	for _, e := range r.Files {
		r.left[e.Name] = e
	}
	m, err := r.Manifest(ctx)
	if foreign := (*sink.ForeignError)(nil); errors.As(err, &foreign) {
		v.problem(r.ID, r.manifestName(), "%s", foreign.Reason)
		return nil
	}
	if r.manifest = m; m != nil {
		r.checkReport(v)
	}
	return err
}

// newer says why a schema version cannot be judged, or nothing.
func newer(version string) string {
	theirs, err := sink.ParseVersion(version)
	if err != nil {
		return fmt.Sprintf("schema version %q is not a number", clean(version))
	}
	if ours, _ := sink.ParseVersion(schema.Version); theirs > ours {
		return fmt.Sprintf("written by a newer version of this program (schema version %d, this one knows %d)", theirs, ours)
	}
	return ""
}

// checkReport compares the totals of the writer's own report in the manifest, where it has any, and
// takes the window from it.
func (r *run) checkReport(v *verifier) {
	var report struct {
		Start, Stop    time.Time
		Rows, Rejected *int64
	}
	if err := json.Unmarshal(r.manifest.Report, &report); err != nil {
		return // the report is its writer's; it may be of any form
	}
	if !report.Start.IsZero() {
		r.start = report.Start.UTC().Format(time.RFC3339Nano)
	}
	if !report.Stop.IsZero() {
		r.stop = report.Stop.UTC().Format(time.RFC3339Nano)
	}
	for _, n := range []struct {
		name       string
		said, want *int64
	}{{"rows", report.Rows, &r.manifest.Rows}, {"rejects", report.Rejected, &r.manifest.Rejected}} {
		if n.said != nil && *n.said != *n.want {
			v.problem(r.ID, r.manifestName(), "%d %s in its report, %d in its list of files", *n.said, n.name, *n.want)
		}
	}
}

// claim finds the run's data files among those of the output.
func (r *run) claim(ctx context.Context, v *verifier) error {
	if r.manifest != nil {
		for i := range r.manifest.Files {
			if err := r.claimListed(ctx, v, i, &r.manifest.Files[i]); err != nil {
				return err
			}
		}
		return nil
	}
	for i, e := range r.Files {
		_, seq, _, _ := sink.PartOf(path.Base(e.Name))
		if r.dir == "" {
			r.dir = path.Dir(e.Name)
		}
		if path.Dir(e.Name) != r.dir {
			v.problem(r.ID, e.Name, "other files of its run lie in %s", clean(r.dir))
			delete(r.left, e.Name)
			continue
		}
		if i+1 < len(r.Files) {
			after := r.Files[i+1].Name
			if _, next, _, _ := sink.PartOf(path.Base(after)); next == seq && path.Dir(after) == r.dir {
				v.problem(r.ID, e.Name, "%s has replaced it; the next start of the run removes it", clean(path.Base(after)))
				delete(r.left, e.Name)
				continue
			}
		}
		for len(r.parts) < seq && len(r.parts) <= len(r.Files) {
			// Missing, or published while the output was listed.
			if err := r.claimPart(ctx, v, path.Join(r.dir, sink.PartName(r.ID, len(r.parts), 0)), nil); err != nil {
				return err
			}
		}
		if err := r.claimPart(ctx, v, e.Name, nil); err != nil {
			return err
		}
	}
	return nil
}

// claimListed takes a file that the manifest lists. Its name comes from a file: nothing but the name
// that its writer would have given is looked at.
func (r *run) claimListed(ctx context.Context, v *verifier, i int, f *sink.File) error {
	dir := path.Dir(f.Name)
	if r.dir == "" {
		r.dir = dir
	}
	id, seq, _, ok := sink.PartOf(path.Base(f.Name))
	if f.Seq != i || !fs.ValidPath(f.Name) || !ok || id != r.ID || seq != i || dir != r.dir || inState(f.Name) {
		v.problem(r.ID, r.manifestName(), "file %d is listed as %q, number %d", i, clean(f.Name), f.Seq)
		return nil
	}
	return r.claimPart(ctx, v, f.Name, f)
}

func inState(name string) bool {
	_, _, ok := sink.StateName(name)
	return ok
}

func (r *run) claimPart(ctx context.Context, v *verifier, name string, want *sink.File) error {
	p := &part{run: r, name: name, seq: len(r.parts), want: want}
	if want != nil {
		p.seq = want.Seq
	}
	r.parts = append(r.parts, p)
	var err error
	p.entry, err = r.find(ctx, v, name)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	delete(r.left, name)
	switch {
	case err != nil:
		p.problem = unreadable(err)
	case !p.entry.Regular:
		p.problem = store.ErrNotRegular.Error()
	case want != nil && p.entry.Size != want.Bytes:
		p.problem = fmt.Sprintf("changed: it has %d bytes, the manifest says %d", p.entry.Size, want.Bytes)
	}
	return nil
}

// find is a data file of the run, which may have been published since the output was listed.
func (r *run) find(ctx context.Context, v *verifier, name string) (store.Entry, error) {
	if e, ok := r.left[name]; ok {
		return e, nil
	}
	return v.since(ctx, name, sink.PartPrefix(r.ID))
}

// judge puts together what was found of the files: the chain they form, their rejects, the totals.
func (r *run) judge(ctx context.Context, v *verifier) error {
	var last sink.File
	known := true // where the file before ends
	var rows, rejected, bytes int64
	for _, p := range r.parts {
		if p.problem != "" {
			v.problem(r.ID, p.name, "%s", p.problem)
		}
		f, ok := p.account()
		if !ok {
			known = false
			continue
		}
		if known && p.problem == "" {
			if reason := follows(&last, &f); reason != "" {
				v.problem(r.ID, p.name, "%s", reason)
			}
		}
		last, known = f, true
		rows, rejected, bytes = rows+f.Rows, rejected+f.Rejected, bytes+f.Bytes
		if r.start == "" && r.stop == "" {
			r.start, r.stop = clean(f.Notes["window_start"]), clean(f.Notes["window_stop"])
		}
	}
	if err := r.checkRejects(ctx, v); err != nil {
		return err
	}
	if m := r.manifest; m != nil && (m.Rows != rows || m.Rejected != rejected || m.Bytes != bytes) {
		v.problem(r.ID, r.manifestName(), "its totals (%d rows, %d rejects, %d bytes) are not those of its files (%d, %d, %d)",
			m.Rows, m.Rejected, m.Bytes, rows, rejected, bytes)
	}
	return nil
}

// follows says why a file does not continue the one before, or nothing.
func follows(last, f *sink.File) string {
	switch {
	case f.FromOffset != last.ToOffset:
		return "it does not begin at the offset where the file before it ends"
	case f.FirstOrdinal != last.NextOrdinal:
		return fmt.Sprintf("it begins with result %d, the file before it ends at %d", f.FirstOrdinal, last.NextOrdinal)
	}
	return ""
}
