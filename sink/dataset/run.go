package dataset

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"tw2parquet/schema"
	"tw2parquet/sink"
)

// run is a run while its output is verified.
type run struct {
	id          string
	manifest    *sink.Manifest // nil: incomplete, or unreadable
	number      int            // of the manifest
	start, stop string
	parts       []*part
	dir         string // of its data files; "" before the first
}

func (r *run) manifestName() string { return sink.ManifestPath(r.id, r.number) }

// load reads the manifest, if there is one. Of several the highest number counts.
func (r *run) load(v *verifier) {
	entries, err := fs.ReadDir(v.root.FS(), path.Join(sink.StateDir, r.id))
	if err != nil {
		v.problem(r.id, path.Join(sink.StateDir, r.id), "%s", unreadable(err))
		return
	}
	for _, e := range entries {
		if k, ok := sink.ManifestNumber(e.Name()); ok {
			r.number = max(r.number, k)
		}
	}
	name := r.manifestName()
	data, err := readSmall(v.root, name, sink.MaxManifestBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil {
		v.problem(r.id, name, "%s", unreadable(err))
		return
	}
	m, err := sink.DecodeManifest(data)
	switch {
	case err != nil:
		v.problem(r.id, name, "%s", clean(err.Error()))
	case m.Run != r.id:
		v.problem(r.id, name, "the manifest of another run")
	case newer(m.SchemaVersion) != "":
		v.problem(r.id, name, "%s", newer(m.SchemaVersion))
	default:
		r.manifest = m
		r.checkReport(v)
	}
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
			v.problem(r.id, r.manifestName(), "%d %s in its report, %d in its list of files", *n.said, n.name, *n.want)
		}
	}
}

// claim finds the run's data files among those of the output.
func (r *run) claim(v *verifier) {
	if r.manifest != nil {
		for i := range r.manifest.Files {
			r.claimListed(v, i, &r.manifest.Files[i])
		}
		return
	}
	var names []string
	for name := range v.found {
		if id, _, _, ok := sink.PartOf(path.Base(name)); ok && id == r.id && !strings.HasPrefix(name, sink.StateDir+"/") {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, byRun)
	for i, name := range names {
		_, seq, _, _ := sink.PartOf(path.Base(name))
		if r.dir == "" {
			r.dir = path.Dir(name)
		}
		if path.Dir(name) != r.dir {
			v.problem(r.id, name, "other files of its run lie in %s", clean(r.dir))
			delete(v.found, name)
			continue
		}
		if i+1 < len(names) {
			if _, next, _, _ := sink.PartOf(path.Base(names[i+1])); next == seq && path.Dir(names[i+1]) == r.dir {
				v.problem(r.id, name, "%s has replaced it; the next start of the run removes it", clean(path.Base(names[i+1])))
				delete(v.found, name)
				continue
			}
		}
		for len(r.parts) < seq && len(r.parts) <= len(names) {
			// Missing, or published while the directory was read.
			r.claimPart(v, path.Join(r.dir, sink.PartName(r.id, len(r.parts), 0)), nil)
		}
		r.claimPart(v, name, nil)
	}
}

// claimListed takes a file that the manifest lists. Its name comes from a file: nothing but the name
// that its writer would have given is looked at.
func (r *run) claimListed(v *verifier, i int, f *sink.File) {
	dir := path.Dir(f.Name)
	if r.dir == "" {
		r.dir = dir
	}
	id, seq, _, ok := sink.PartOf(path.Base(f.Name))
	if f.Seq != i || !fs.ValidPath(f.Name) || !ok || id != r.id || seq != i || dir != r.dir || strings.HasPrefix(f.Name, sink.StateDir+"/") {
		v.problem(r.id, r.manifestName(), "file %d is listed as %q, number %d", i, clean(f.Name), f.Seq)
		return
	}
	r.claimPart(v, f.Name, f)
}

func (r *run) claimPart(v *verifier, name string, want *sink.File) {
	p := &part{run: r, name: name, seq: len(r.parts), want: want}
	if want != nil {
		p.seq = want.Seq
	}
	r.parts = append(r.parts, p)
	e, ok := v.found[name]
	if !ok {
		info, err := v.root.Lstat(name)
		if err != nil {
			p.problem = unreadable(err)
			return
		}
		e = entry{size: info.Size(), regular: info.Mode().IsRegular()}
	}
	delete(v.found, name)
	switch {
	case !e.regular:
		p.problem = errNoRegularFile.Error()
	case want != nil && e.size != want.Bytes:
		p.problem = fmt.Sprintf("changed: it has %d bytes, the manifest says %d", e.size, want.Bytes)
	}
}

// judge puts together what was found of the files: the chain they form, their rejects, the totals.
func (r *run) judge(ctx context.Context, v *verifier) error {
	var last sink.File
	known := true // where the file before ends
	var rows, rejected, bytes int64
	for _, p := range r.parts {
		if p.problem != "" {
			v.problem(r.id, p.name, "%s", p.problem)
		}
		f, ok := p.account()
		if !ok {
			known = false
			continue
		}
		if known && p.problem == "" {
			if reason := follows(&last, &f); reason != "" {
				v.problem(r.id, p.name, "%s", reason)
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
		v.problem(r.id, r.manifestName(), "its totals (%d rows, %d rejects, %d bytes) are not those of its files (%d, %d, %d)",
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

// byRun orders data files by directory, then run and number, other names among them.
func byRun(a, b string) int {
	if c := strings.Compare(path.Dir(a), path.Dir(b)); c != 0 {
		return c
	}
	runA, seqA, revisionA, okA := sink.PartOf(path.Base(a))
	runB, seqB, revisionB, okB := sink.PartOf(path.Base(b))
	if okA && okB && runA == runB {
		return cmp.Or(seqA-seqB, revisionA-revisionB)
	}
	return strings.Compare(path.Base(a), path.Base(b))
}
