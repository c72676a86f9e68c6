package sink

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"tw2parquet/sink/parquet"
	"tw2parquet/sink/store"
)

// openFile is the file being written: staged, seen by nobody.
type openFile struct {
	name     string
	data     *upload         // nil before the first record
	writer   *parquet.Writer // nil before the first record
	rejects  *openRejects    // nil before the first reject
	rows     int64
	rejected int64
}

func (f *openFile) begun() bool { return f.rows+f.rejected > 0 }

func (f *openFile) discard() {
	if f.writer != nil {
		f.writer.Discard()
	}
	if f.data != nil {
		f.data.Discard()
	}
	if f.rejects != nil {
		f.rejects.discard()
	}
	*f = openFile{}
}

// mark is a position in the stream with what is to be noted about the rows before it.
type mark struct {
	offset string
	next   int64
	notes  map[string]string
}

// publish ends the open file at a mark and makes it visible. The order is the whole point:
//
//  1. the footer, which holds the position: rows and position become visible together or not at all;
//  2. both, data and rejects, complete and durable where nobody sees them (Seal);
//  3. the rejects visible: if the data file is, they are;
//  4. the data file visible: from here on the run continues after the mark.
//
// Death before 4 loses nothing that was promised: the next start removes what 2 and 3 left, and
// reads again from the file before. An error up to 2 gives up this file only; one in 3 or 4 leaves
// open what is visible, which only a new Open can tell.
func (o *Output) publish(ctx context.Context, m mark) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f, kv, err := o.sealFile(ctx, m)
	if err == nil && !o.hold.Exclusive() { // where it is, nobody can drop the run meanwhile
		err = o.checkKept(ctx)
	}
	if err != nil {
		return o.giveUp(err)
	}
	rejects, err := o.publishRejects(ctx)
	if err == nil {
		err = o.publishData(ctx, f, kv)
	}
	if err != nil {
		if errors.Is(err, ErrLocked) || errors.Is(err, ErrForeign) {
			o.removeStale(ctx, namesOf(rejects)) // ours, and their file will never be
		}
		o.open.discard()
		if o.failed = errOvertaken; !o.overtaken {
			o.lost = errPublishUnclear
		}
		return err
	}
	o.open = openFile{}
	o.files = append(o.files, f)
	o.rejects = append(o.rejects, rejects...)
	if !o.tabled {
		o.removeStale(ctx, o.stale.take(f.Seq)) // at once: readers see both
	}
	o.log.Debug("published", "file", f.Name, "rows", f.Rows, "rejected", f.Rejected, "bytes", f.Bytes)
	return nil
}

func namesOf(files []RejectFile) []string {
	var names []string
	for _, f := range files {
		names = append(names, f.Name)
	}
	return names
}

// sealFile writes the footer and makes the staged files durable.
func (o *Output) sealFile(ctx context.Context, m mark) (File, map[string]string, error) {
	if err := o.openData(ctx); err != nil { // a file may have rejects only, or nothing
		return File{}, nil, err
	}
	if n := o.open.writer.Rows(); n != o.open.rows {
		return File{}, nil, fmt.Errorf("end file %d: %w: it has %d rows, %d were appended", len(o.files), ErrMisuse, n, o.open.rows)
	}
	offset, next := o.Position()
	f := File{
		Name: o.open.name, Seq: len(o.files),
		Rows: o.open.rows, Rejected: o.open.rejected,
		FromOffset: offset, ToOffset: m.offset, FirstOrdinal: next, NextOrdinal: m.next,
		Notes: maps.Clone(o.meta),
	}
	maps.Copy(f.Notes, m.notes)
	if o.open.rejects != nil {
		f.Rejects = o.open.rejects.stem
	}
	data := o.open.data
	o.open.writer.WriteIndexes() // an error stays with the file
	kv := f.keyValues(o.cfg.Run, o.cfg.SchemaVersion, data)
	sum, err := o.open.writer.Finish(parquet.Metadata{KeyValues: kv, CreatedBy: f.Notes[noteWriter], ChecksumKey: footerPrefix + keyChecksum})
	if err != nil {
		return f, nil, fmt.Errorf("end %s: %w", f.Name, err)
	}
	kv[footerPrefix+keyChecksum] = sum
	if err := data.Seal(ctx); err != nil {
		return f, nil, err
	}
	f.Bytes, f.SHA256 = data.size, data.sum()
	if o.open.rejects != nil {
		if err := o.open.rejects.seal(ctx); err != nil {
			return f, nil, err
		}
	}
	return f, kv, nil
}

func (o *Output) publishRejects(ctx context.Context) ([]RejectFile, error) {
	r := o.open.rejects
	if r == nil {
		return nil, nil
	}
	index, raw := o.layout.rejects(r.stem)
	var files []RejectFile
	for _, a := range []struct {
		name string
		file *upload
	}{{index, r.index}, {raw, r.raw}} {
		// The name is random, so what has it is this upload.
		err := o.settle(ctx, a.name, a.file.Commit, func(ctx context.Context) error {
			e, err := store.Stat(ctx, o.store, a.name)
			if err == nil && e.Size != a.file.size {
				err = o.foreign(a.name, fmt.Sprintf("it has %d bytes, %d were written", e.Size, a.file.size))
			}
			return err
		})
		if err != nil {
			return files, err
		}
		files = append(files, RejectFile{Name: a.name, Bytes: a.file.size, SHA256: a.file.sum()})
	}
	return files, nil
}

// publishData takes the step that counts.
func (o *Output) publishData(ctx context.Context, f File, kv map[string]string) error {
	return o.settle(ctx, f.Name, o.open.data.Commit, func(ctx context.Context) error { return o.judge(ctx, f, kv) })
}

// judge looks at what has the name that f was to get. It may be f itself, if the answer to an earlier attempt was
// lost. Otherwise somebody published this number although we hold the run: a machine that does not see the hold; or,
// where a hold excludes nobody, a twin, or an earlier start that is dead and whose last request arrived late. That one
// is over, so its file is taken into the chain, once: a second one means a twin that is alive.
func (o *Output) judge(ctx context.Context, f File, kv map[string]string) error {
	size, footer, err := o.look(ctx, f.Name)
	if err != nil {
		return err
	}
	if size == f.Bytes && sameFooter(footer.KeyValues, kv) {
		o.open.data.Discard() // the very bytes are there, so the position is ours whoever wrote them
		return nil
	}
	theirs, run, _, err := fileOf(footer)
	switch {
	case err != nil || run != o.cfg.Run || theirs.Seq != f.Seq:
		return o.foreign(f.Name, "it appeared while this run was about to publish a file of that name")
	case !o.adopted && !o.hold.Exclusive() && o.mend == nil && theirs.FromOffset == f.FromOffset && theirs.FirstOrdinal == f.FirstOrdinal:
		o.overtaken = true
		return fmt.Errorf("%w: %s", errOvertaken, store.Printable(o.store.Path(f.Name)))
	}
	return fmt.Errorf("%w: it published %s", ErrLocked, store.Printable(o.store.Path(f.Name)))
}

// look reads the footer of a file whose size is not known.
func (o *Output) look(ctx context.Context, name string) (int64, parquet.Footer, error) {
	e, err := store.Stat(ctx, o.store, name)
	if err != nil {
		return 0, parquet.Footer{}, err
	}
	if !e.Regular {
		return 0, parquet.Footer{}, o.foreign(name, "it stands where a file of this run belongs, and is not a regular file")
	}
	footer, unread, err := o.readFooter(ctx, e)
	switch {
	case unread != nil:
		return 0, footer, unread
	case err != nil:
		return 0, footer, o.foreign(name, "it stands where a file of this run belongs: "+err.Error())
	}
	return e.Size, footer, nil
}

// sameFooter compares our key-values; a writer may add its own. They hold the checksum of the data.
func sameFooter(theirs, ours map[string]string) bool {
	for k, v := range theirs {
		if strings.HasPrefix(k, footerPrefix) && ours[k] != v {
			return false
		}
	}
	for k := range ours {
		if _, ok := theirs[k]; !ok {
			return false
		}
	}
	return true
}
