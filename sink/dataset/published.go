package dataset

import (
	"context"
	"fmt"
	"path"

	"tw2parquet/sink"
	"tw2parquet/sink/store"
)

// Published is what the footers of the run's files say it holds, for a run without a manifest: rows and rejects. It takes a
// request or two for each file. A file that cannot be read is an error, and the others count all the same.
func (r *Run) Published(ctx context.Context) (rows, rejected int64, err error) {
	for i, e := range r.Files {
		if i+1 < len(r.Files) && sameNumber(e, r.Files[i+1]) {
			continue // the next one has replaced it
		}
		f, ferr := r.footer(ctx, e)
		if ctx.Err() != nil {
			return rows, rejected, context.Cause(ctx)
		}
		if ferr != nil {
			err = fmt.Errorf("read %s: %w", store.Printable(r.store.Path(e.Name)), store.Cause(ferr))
			continue
		}
		rows, rejected = rows+f.Rows, rejected+f.Rejected
	}
	return rows, rejected, err
}

func (r *Run) footer(ctx context.Context, e store.Entry) (sink.Published, error) {
	f, err := store.Open(ctx, r.store, e)
	if err != nil {
		return sink.Published{}, err
	}
	defer f.Close()
	return sink.ReadPublished(f, e.Size)
}

// sameNumber tells whether both files, which lie side by side, are revisions of one.
func sameNumber(a, b store.Entry) bool {
	_, m, _, _ := sink.PartOf(path.Base(a.Name))
	_, n, _, _ := sink.PartOf(path.Base(b.Name))
	return m == n && path.Dir(a.Name) == path.Dir(b.Name)
}

// Missing are the files that the manifest lists and that the listing did not find with the size it says, by name. It takes
// no request, once the manifest was read.
func (r *Run) Missing(ctx context.Context) (names []string, err error) {
	m, err := r.Manifest(ctx)
	if err != nil || m == nil {
		return nil, err
	}
	there := map[string]int64{}
	for _, e := range r.Files {
		if e.Regular {
			there[e.Name] = e.Size
		}
	}
	for _, f := range m.Files {
		if size, ok := there[f.Name]; !ok || size != f.Bytes {
			names = append(names, f.Name)
		}
	}
	return names, nil
}
