package dataset

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"

	"tw2parquet/sink"
	"tw2parquet/sink/store"
)

// maxRejectLine bounds a line of the index of rejects: some numbers and a short reason.
const maxRejectLine = 64 << 10

// checkRejects holds the rejects' files against the manifest and against the gaps that their results
// leave in _ordinal.
func (r *run) checkRejects(ctx context.Context, v *verifier) error {
	listed := map[string]*sink.RejectFile{}
	if r.manifest != nil {
		for i := range r.manifest.Rejects {
			listed[r.manifest.Rejects[i].Name] = &r.manifest.Rejects[i]
		}
		if len(listed) != len(r.manifest.Rejects) {
			v.problem(r.ID, r.manifestName(), "it lists a file of rejects twice")
		}
	}
	expected := map[string]bool{}
	for _, p := range r.parts {
		f, ok := p.account()
		if !ok || f.Rejected == 0 {
			continue
		}
		index, raw, ok := sink.RejectNames(r.ID, p.seq, f.Rejects)
		if !ok {
			v.problem(r.ID, p.name, "it names its rejects %q", clean(f.Rejects))
			continue
		}
		expected[index], expected[raw] = true, true
		c := rejectCheck{v: v, run: r, part: p, file: f}
		if err := c.index(ctx, index, listed[index]); err != nil {
			return err
		}
		if err := c.raw(ctx, raw, listed[raw]); err != nil {
			return err
		}
		delete(listed, index)
		delete(listed, raw)
	}
	if r.manifest == nil {
		return nil // rejects are there before their file is
	}
	for _, a := range r.manifest.Rejects {
		if listed[a.Name] != nil {
			v.problem(r.ID, r.manifestName(), "it lists %q, but no file of the run has rejects there", clean(a.Name))
		}
	}
	r.strayRejects(v, expected)
	return nil
}

// strayRejects reports rejects of a complete run that no file of it has.
func (r *run) strayRejects(v *verifier, expected map[string]bool) {
	for _, base := range slices.Sorted(maps.Keys(r.records)) {
		if name := r.records[base].Name; sink.IsRejects(base) && !expected[name] {
			v.problem(r.ID, name, "the run is complete, and none of its files has these rejects")
		}
	}
}

// record is a record of the run, which may have been published since the output was listed.
func (r *run) record(ctx context.Context, v *verifier, name string) (store.Entry, error) {
	if e, ok := r.records[path.Base(name)]; ok {
		return e, nil
	}
	return v.since(ctx, name, "")
}

// rejectCheck examines the two files of a data file's rejects.
type rejectCheck struct {
	v     *verifier
	run   *run
	part  *part
	file  sink.File
	bytes int64 // of raw, as the index adds up; -1: not known
}

// aside reads a file of rejects through take and compares it with its line in the manifest.
func (c *rejectCheck) aside(ctx context.Context, name string, want *sink.RejectFile, take func(r io.Reader) (string, error)) error {
	bad := func(reason string) error {
		c.v.problem(c.run.ID, name, "%s", reason)
		return nil
	}
	if c.run.manifest != nil && want == nil {
		return bad("the manifest does not list it")
	}
	e, err := c.run.record(ctx, c.v, name)
	var f store.File
	if err == nil {
		f, err = store.Open(ctx, c.v.store, e)
	}
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case withheld(name, err):
		c.v.unchecked(name)
		return nil
	case err != nil:
		return bad(unreadable(err))
	}
	defer f.Close()
	size := e.Size
	if want != nil && size != want.Bytes {
		return bad(fmt.Sprintf("changed: it has %d bytes, the manifest says %d", size, want.Bytes))
	}
	h := sha256.New()
	problem, err := feed(ctx, h, f, 0, size)
	switch {
	case err != nil:
		return err
	case problem != "":
		return bad(problem)
	case want != nil && hex.EncodeToString(h.Sum(nil)) != want.SHA256:
		return bad("damaged: its bytes do not match the checksum in the manifest")
	}
	if problem, err = take(io.NewSectionReader(f, 0, size)); problem != "" {
		return bad(problem)
	}
	return err
}

// index checks the list of rejects: one line each, in order, in the file's range, and just the
// results that are not rows.
func (c *rejectCheck) index(ctx context.Context, name string, want *sink.RejectFile) error {
	c.bytes = -1
	return c.aside(ctx, name, want, func(in io.Reader) (string, error) {
		lines := bufio.NewReaderSize(in, maxRejectLine)
		gaps, n, next, end := newSpans(), int64(0), c.file.FirstOrdinal, int64(0)
		for {
			if ctx.Err() != nil {
				return "", context.Cause(ctx)
			}
			line, err := lines.ReadSlice('\n')
			if errors.Is(err, io.EOF) && len(line) == 0 {
				break
			}
			var x sink.Rejection
			if err != nil || json.Unmarshal(bytes.TrimSpace(line), &x) != nil {
				return fmt.Sprintf("line %d is not a rejection", n+1), nil
			}
			switch {
			case x.Ordinal < next || x.Ordinal >= c.file.NextOrdinal:
				return fmt.Sprintf("line %d: result %d is not of its file, or out of order", n+1, x.Ordinal), nil
			case x.Offset != end || x.Length < 0:
				return fmt.Sprintf("line %d: its bytes do not follow those of the line before", n+1), nil
			}
			gaps.add(x.Ordinal, x.Ordinal+1)
			next, end = x.Ordinal+1, end+int64(x.Length)
			n++
		}
		c.bytes = end
		switch {
		case n != c.file.Rejected:
			return fmt.Sprintf("it lists %d rejects, its data file has %d", n, c.file.Rejected), nil
		case c.part.problem == "" && gaps.sum() != c.part.reading.Gaps:
			return "it does not list the results that its data file leaves out", nil
		}
		return "", nil
	})
}

// raw checks the rejects' bytes.
func (c *rejectCheck) raw(ctx context.Context, name string, want *sink.RejectFile) error {
	return c.aside(ctx, name, want, func(in io.Reader) (string, error) {
		size, err := in.(io.Seeker).Seek(0, io.SeekEnd)
		if err == nil && c.bytes >= 0 && size != c.bytes {
			return fmt.Sprintf("it has %d bytes, the rejects add up to %d", size, c.bytes), nil
		}
		return "", err
	})
}
